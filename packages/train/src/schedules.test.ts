import { OptionError, tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { constant, cosine, cosineAnnealing, linear, tabulated, wsd } from './schedules.js';
import type { Schedule } from './schedules.js';

const schedules: [string, Schedule, number][] = [
  ['constant', constant(0.3), 10],
  ['constant with warm-up', constant(0.3, { warmup: 4 }), 10],
  ['cosine', cosine({ peak: 0.2, total: 8, floor: 0.02 }), 12],
  ['cosine with warm-up', cosine({ peak: 0.2, total: 9, warmup: 3 }), 12],
  ['linear', linear({ peak: 0.2, total: 8, floor: 0.02 }), 12],
  ['linear with warm-up', linear({ peak: 0.2, total: 9, warmup: 3 }), 12],
  ['wsd', wsd({ peak: 0.2, total: 9, decay: 3, floor: 0.02 }), 12],
  ['wsd with warm-up', wsd({ peak: 0.2, total: 12, warmup: 3, decay: 4 }), 15],
  ['cosineAnnealing', cosineAnnealing({ initial: 1, halfPeriod: 5, floor: 0.1 }), 23],
  ['tabulated', tabulated((t) => 1 / (1 + t), { total: 6 }), 9],
];

describe('schedules', () => {
  test.each(schedules)('%s: as operations it is the same function', async (_, schedule, steps) => {
    for (let t = 0; t < steps; t++) {
      const step = tensor(t, { dtype: 'i32' });
      const f64 = schedule.on(step, 'f64');
      expect([f64.dtype, f64.shape]).toEqual(['f64', []]);
      expect(Math.abs((await f64.item()) - schedule.at(t))).toBeLessThan(1e-15);
      const f32 = schedule.on(step, 'f32');
      expect(f32.dtype).toBe('f32');
      expect(Math.abs((await f32.item()) - schedule.at(t))).toBeLessThan(2e-7);
    }
  });

  test('warm-up rises in equal steps and reaches the peak', () => {
    const s = cosine({ peak: 1, total: 104, warmup: 4, floor: 0.1 });
    expect([0, 1, 2, 3, 4].map((t) => s.at(t))).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect(s.at(54)).toBeCloseTo(0.55, 12);
    expect(s.at(104)).toBeCloseTo(0.1, 12);
    expect(s.at(1e9)).toBeCloseTo(0.1, 12);
    const falling = Array.from({ length: 100 }, (_, i) => s.at(4 + i));
    expect(falling.every((lr, i) => i === 0 || lr < falling[i - 1])).toBe(true);
    expect([0, 1, 2, 3].map((t) => constant(8, { warmup: 2 }).at(t))).toEqual([4, 8, 8, 8]);
  });

  test('linear falls in equal steps; wsd keeps its plateau', () => {
    const points = (s: Schedule, steps: number): number[] =>
      Array.from({ length: steps }, (_, t) => Number(s.at(t).toFixed(12)));
    expect(points(linear({ peak: 8, total: 6, warmup: 2, floor: 4 }), 8)).toEqual([4, 8, 8, 7, 6, 5, 4, 4]);
    expect(points(linear({ peak: 1, total: 4 }), 6)).toEqual([1, 0.75, 0.5, 0.25, 0, 0]);
    const options = { peak: 8, warmup: 2, decay: 4, floor: 4 };
    expect(points(wsd({ ...options, total: 9 }), 11)).toEqual([4, 8, 8, 8, 8, 8, 7, 6, 5, 4, 4]);
    expect(points(wsd({ ...options, total: 6 }), 7)).toEqual([4, 8, 8, 7, 6, 5, 4]);
    const long = wsd({ ...options, total: 1000 });
    expect(points(long, 6)).toEqual(points(wsd({ ...options, total: 9 }), 6));
  });

  test('cosineAnnealing comes back, tabulated holds its last value', () => {
    const s = cosineAnnealing({ initial: 1, halfPeriod: 5, floor: 0.1 });
    expect(s.at(5)).toBeCloseTo(0.1, 12);
    expect(s.at(10)).toBeCloseTo(1, 12);
    expect(tabulated((t) => t, { total: 3 }).at(99)).toBe(2);
  });

  test('wrong options are refused', () => {
    const wrong: [() => unknown, RegExp][] = [
      [() => constant(-1), /constant: lr must be a finite number ≥ 0, got -1/],
      [() => constant(1, { warmup: 1.5 }), /warmup must be an integer ≥ 0, got 1.5/],
      [() => cosine({ peak: 1, total: 10, warmup: 10 }), /total 10 and warmup 10/],
      [() => cosine({ peak: 1, total: 10, floor: 2 }), /floor must not exceed peak, got 2 and 1/],
      [() => linear({ peak: 1, total: 3, warmup: 4 }), /linear: total counts .* total 3 and warmup 4/],
      [() => linear({ peak: NaN, total: 3 }), /linear: peak must be a finite number ≥ 0, got NaN/],
      [() => linear({ peak: 1, total: 3, floor: 2 }), /linear: floor must not exceed peak, got 2 and 1/],
      [() => wsd({ peak: 1, total: 10, decay: 0 }), /wsd: decay must be an integer ≥ 1, got 0/],
      [() => wsd({ peak: 1, total: 10, warmup: 5, decay: 6 }), /total 10, warmup 5 and decay 6/],
      [() => cosineAnnealing({ initial: 1, halfPeriod: 0 }), /halfPeriod must be an integer ≥ 1/],
      [() => tabulated((t) => 1 - t, { total: 3 }), /f\(2\) must be a finite number ≥ 0, got -1/],
    ];
    for (const [f, text] of wrong) {
      expect(f).toThrow(OptionError);
      expect(f).toThrow(text);
    }
  });
});
