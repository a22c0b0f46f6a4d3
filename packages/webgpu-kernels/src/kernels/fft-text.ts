import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '../wgsl/index.js';

/** Operands of a pass: re and im of what it reads and writes. */
export interface PassShape {
  readonly radix: number;
  readonly from: readonly [re: number, im: number];
  readonly to: readonly [re: number, im: number];
  readonly factors: number;
  readonly last: boolean;
}

/** a · c as text, for a constant c. */
function scaled(a: string, c: number): string {
  return Math.abs(c) === 1 ? (c < 0 ? `(-${a})` : a) : `${a} * (${c})`;
}

/** Σ of terms with constant factors, those of 0 left out. */
function sum(terms: readonly (readonly [string, number])[]): string {
  return terms
    .filter(([, c]) => c !== 0)
    .map(([a, c]) => scaled(a, c))
    .join(' + ');
}

/** cos or sin of a part of a turn, exact at its quarters and halves. */
function exact(v: number): number {
  return Math.abs(v) < 1e-9 ? 0 : Math.abs(Math.abs(v) - 1) < 1e-9 ? Math.sign(v) : v;
}

/** Legs b0 … of a butterfly of `radix` legs a0 …, all of them vec2 of both parts. */
export function butterflyText(radix: number, a: string, b: string): string {
  const lines: string[] = [];
  for (let k = 0; k < radix; k++) {
    const legs = Array.from({ length: radix }, (_, j) => {
      const angle = (2 * Math.PI * ((j * k) % radix)) / radix;
      return { cos: exact(Math.cos(angle)), sin: exact(Math.sin(angle)), name: `${a}${j}` };
    });
    const re = sum(
      legs.flatMap(({ cos, sin, name }) => [[`${name}.x`, cos] as const, [`${name}.y`, sin] as const]),
    );
    const im = sum(
      legs.flatMap(({ cos, sin, name }) => [[`${name}.y`, cos] as const, [`${name}.x`, -sin] as const]),
    );
    lines.push(`let ${b}${k} = vec2<f32>(${re}, ${im});`);
  }
  return lines.join('\n  ');
}

const timesText = `fn times(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}`;

/** One pass over memory: an invocation computes one butterfly, neighbours neighbouring columns. No workgroup memory. */
export const passShader: (key: string) => GpuShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { radix, from, to, factors, last } = JSON.parse(key) as PassShape;
  const legs = [...Array(radix).keys()];
  return shader({
    name: `fft/pass${radix}`,
    operands: [
      reads('xr', 'f32', from[0]),
      reads('xi', 'f32', from[1]),
      writes('yr', 'f32', to[0]),
      writes('yi', 'f32', to[1]),
      ...(last ? [] : [reads('factor', 'f32', factors)]),
    ],
    params: { count: 'u32', per: 'u32', m: 'u32', s: 'u32', first: 'u32', scale: 'f32' },
    workgroup: 64,
    declare: last ? '' : timesText,
    main: `
  if (linear >= p.count) { return; }
  let row = linear / p.per;
  let j = linear % p.per;
  let at = j / p.s;
  let x0 = row * p.per * ${radix}u + j;
  let y0 = row * p.per * ${radix}u + j % p.s + p.s * ${radix}u * at;
  ${legs.map((k) => `let a${k} = vec2<f32>(xr(x0 + ${k}u * p.per), xi(x0 + ${k}u * p.per));`).join('\n  ')}
  ${butterflyText(radix, 'a', 'b')}
  ${legs
    .map((k) => {
      const w = `vec2<f32>(factor(p.first + ${2 * k - 2}u * p.m + at), factor(p.first + ${2 * k - 1}u * p.m + at))`;
      const value = last ? `b${k} * p.scale` : k === 0 ? 'b0' : `times(b${k}, ${w})`;
      return `let c${k} = ${value}; set_yr(y0 + ${k}u * p.s, c${k}.x); set_yi(y0 + ${k}u * p.s, c${k}.y);`;
    })
    .join('\n  ')}`,
  });
});

/** What a tile's text depends on. */
export interface TileShape {
  readonly n: number;
  readonly invocations: number;
  readonly stages: readonly {
    readonly radix: number;
    readonly m: number;
    readonly s: number;
    readonly factors: number;
  }[];
  /** 0 forwards, 1 when both parts are exchanged. */
  readonly swap: 0 | 1;
}

/**
 * All passes of one row in workgroup memory, 8 N bytes: a workgroup transforms one row, an invocation N / (radix ·
 * invocations) butterflies in each pass.
 */
export const tileShader: (key: string) => GpuShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { n, invocations, stages, swap } = JSON.parse(key) as TileShape;
  const parts = swap === 0 ? ['r', 'i'] : ['i', 'r'];
  const body = stages.map(({ radix, m, s, factors }, stage) => {
    const [first, last] = [stage === 0, stage === stages.length - 1];
    const per = n / radix;
    const load: string[] = [];
    const store: string[] = [];
    for (let u = 0; u < per / invocations; u++) {
      const j = `j${stage}_${u}`;
      load.push(`let ${j} = lix + ${u * invocations}u;`);
      for (let k = 0; k < radix; k++) {
        const from = `${j} + ${k * per}u`;
        const value = first
          ? `vec2<f32>(x${parts[0]}(base + ${from}), x${parts[1]}(base + ${from}))`
          : `tile[${from}]`;
        load.push(`let a${stage}_${u}_${k} = ${value};`);
      }
      store.push(butterflyText(radix, `a${stage}_${u}_`, `b${stage}_${u}_`));
      for (let k = 0; k < radix; k++) {
        const to = `${j} % ${s}u + ${s * radix}u * (${j} / ${s}u) + ${k * s}u`;
        const b = `b${stage}_${u}_${k}`;
        const w = (leg: number): string => `factor(${factors + leg * m}u + ${j} / ${s}u)`;
        const turned = m === 1 || k === 0 ? b : `times(${b}, vec2<f32>(${w(2 * k - 2)}, ${w(2 * k - 1)}))`;
        store.push(
          last
            ? `{ let c = ${turned} * p.scale; let to = base + ${to}; set_y${parts[0]}(to, c.x); set_y${parts[1]}(to, c.y); }`
            : `tile[${to}] = ${turned};`,
        );
      }
    }
    const barrier = 'workgroupBarrier();';
    return [...load, ...(first || last ? [] : [barrier]), ...store, ...(last ? [] : [barrier])].join('\n  ');
  });
  return shader({
    name: `fft/tile${n}`,
    operands: [
      reads('xr', 'f32', 0),
      reads('xi', 'f32', 1),
      writes('yr', 'f32', 2),
      writes('yi', 'f32', 3),
      reads('factor', 'f32', 4),
    ],
    params: { rows: 'u32', scale: 'f32' },
    workgroup: invocations,
    declare: `${timesText}\nvar<workgroup> tile: array<vec2<f32>, ${n}>;`,
    main: `
  // A workgroup behind the last row computes the last one again: barriers want all invocations.
  let base = min(group, p.rows - 1u) * ${n}u;
  ${body.join('\n  ')}`,
  });
});
