import { describe, expect, it } from 'vitest';
import { exampleModel } from './fixtures.js';
import { applyEvent, applyOutcome, createDisplay, estimateLeft, newRow, renderRows } from './progress.js';
import type { DisplayKind } from './progress.js';

const costs = exampleModel('gru', 2).costs;
const strip = (text: string): string => text.replace(/\u001b\[[\d;]*m/g, '');

function show(kind: DisplayKind): string[] {
  let text = '';
  const output = { write: (part: string) => (text += part) };
  const display = createDisplay(
    kind,
    {
      costs: new Map([
        ['gru', 1],
        ['attention', 2],
      ]),
      jobs: 2,
    },
    output as never,
  );
  display.note('begin');
  display.start('gru');
  display.event('gru', { type: 'started', step: 0, steps: 40, costs });
  display.event('gru', { type: 'validated', step: 10, validation: 2.6 });
  display.event('gru', {
    type: 'progress',
    step: 10,
    loss: 2.5,
    charactersPerSecond: 8123,
    secondsLeft: 30.2,
  });
  display.event('gru', { type: 'progress', step: 11, loss: 2.4, charactersPerSecond: 8123, secondsLeft: 29 });
  display.event('gru', { type: 'phase', phase: 'validation' });
  display.end({ name: 'gru', status: 'done', result: exampleModel('gru', 2.11) });
  display.end({ name: 'attention', status: 'failed', error: new Error('no memory') });
  display.close();
  return text.split('\n').filter((line) => line !== '');
}

describe('progress without a terminal', () => {
  it('prints a line at each turn and at most one every ten seconds in between', () => {
    expect(show('plain')).toEqual([
      'begin',
      '  gru        starts',
      '  gru        step 10/40  loss 2.500  valid 2.600  8,123 char/s  0:31 left',
      '  gru        validating',
      '  gru        done, validation 2.110 nats/character',
      '  attention  no memory',
    ]);
  });

  it('prints every event as a line of JSON', () => {
    const lines = show('json').map((line) => JSON.parse(line) as { model: string; type: string });
    expect(lines.map(({ model, type }) => `${model} ${type}`)).toEqual([
      'gru start',
      'gru started',
      'gru validated',
      'gru progress',
      'gru progress',
      'gru phase',
      'gru done',
      'attention failed',
    ]);
  });

  it('prints nothing when quiet', () => expect(show('quiet')).toEqual([]));
});

describe('the live block', () => {
  it('has a line per model with share, loss, speed and time left', () => {
    const [gru, attention, cnn] = [newRow('gru'), newRow('attention'), newRow('cnn')];
    applyEvent(gru, { type: 'started', step: 0, steps: 40, costs });
    applyEvent(gru, { type: 'progress', step: 10, loss: 2.5, charactersPerSecond: 8123, secondsLeft: 30.2 });
    applyOutcome(cnn, { name: 'cnn', status: 'failed', error: new Error('x') });
    expect(strip(renderRows([gru, attention, cnn])).split('\n')).toEqual([
      '  model      training                    loss   valid   char/s  left',
      '  gru        ━━━━━───────────────  25%  2.500       –    8,123  0:31',
      '  attention  ────────────────────   0%      –       –           waiting',
      '  cnn        ────────────────────   0%      –       –           failed',
    ]);
  });

  it('ends with the validation of the whole split', () => {
    const row = newRow('gru');
    applyOutcome(row, { name: 'gru', status: 'done', result: exampleModel('gru', 2.1111) });
    expect(strip(renderRows([row]))).toContain('2.111');
  });

  it('estimates the whole from what runs: waiting models at the speed seen, on the lane that is free first', () => {
    const row = (name: string, status: 'training' | 'waiting' | 'done', secondsLeft?: number) => ({
      ...newRow(name),
      status,
      step: status === 'training' ? 50 : 0,
      steps: 100,
      ...(secondsLeft === undefined ? {} : { secondsLeft }),
    });
    const costs = new Map([
      ['a', 40],
      ['b', 20],
      ['c', 30],
      ['d', 10],
    ]);
    // a and b are half done and take twice what was expected: 40 and 20 seconds left, c will take 60 after b, d 20 after a.
    const rows = [
      row('a', 'training', 40),
      row('b', 'training', 20),
      row('c', 'waiting'),
      row('d', 'waiting'),
    ];
    expect(estimateLeft(rows, { costs, jobs: 2 })).toBe(80);
    expect(estimateLeft([row('a', 'done'), row('b', 'waiting')], { costs, jobs: 2 })).toBeUndefined();
  });
});
