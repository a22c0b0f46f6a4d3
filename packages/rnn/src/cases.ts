import { grad, mul, sum } from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import type { GpuArguments, GpuCase } from '@seq/tensor/engine';
import { elmanBackwardOp } from './elman/backward.js';
import { elmanOp, elmanSequence } from './elman/op.js';
import type { ElmanNonlinearity } from './elman/cpu.js';
import { gruBackwardOp } from './gru/backward.js';
import { gruBeforeBackwardOp, gruBeforeOp } from './gru/before.js';
import { gruOp, gruSequence } from './gru/op.js';
import { lstmBackwardOp } from './lstm/backward.js';
import { lstmOp, lstmSequence } from './lstm/op.js';

/** A case of one op: a `VerifyCase` of `@seq/webgpu-kernels`. */
export interface RecurrenceCase extends GpuCase {
  readonly op: Op;
}

/** One layer: sizes, masks and options. */
interface Setting {
  readonly B: number;
  readonly T: number;
  readonly H: number;
  readonly masked?: boolean;
  readonly bias?: boolean;
  readonly reverse?: boolean;
}

/** Whole and odd widths, one and several rows, with and without masks, both directions, one position alone, more than one slice. */
const settings: readonly Setting[] = [
  { B: 1, T: 5, H: 8, bias: true },
  { B: 3, T: 7, H: 5, masked: true, bias: true },
  { B: 8, T: 4, H: 12, masked: true, reverse: true },
  { B: 4, T: 3, H: 68 },
  { B: 2, T: 1, H: 12, bias: true },
  { B: 3, T: 1, H: 7, masked: true },
  { B: 1, T: 1030, H: 4, masked: true },
];

type Drawn = Readonly<Record<string, Tensor>>;

/** Arguments of a layer of so many gates. */
function draw(s: GpuArguments, { B, T, H, masked, bias }: Setting, gates: number, P: number = H): Drawn {
  const near = { low: -0.6, high: 0.6 };
  const drawn: Record<string, Tensor> = {
    x: s.floats([B, T, 3]),
    weightIh: s.floats([gates * H, 3], near),
    weightHh: s.floats([gates * H, P], { low: -1 / Math.sqrt(P), high: 1 / Math.sqrt(P) }),
    h0: s.floats([B, P], near),
  };
  if (bias)
    Object.assign(drawn, { biasIh: s.floats([gates * H], near), biasHh: s.floats([gates * H], near) });
  if (masked) Object.assign(drawn, { lengths: s.integers([B], { high: T + 1 }), resets: s.flags([B, T]) });
  return drawn;
}

/** The layer's results, and the gradients of a weighted sum of them by all that is not a mask. */
function judged(
  forward: Op,
  backward: Op,
  make: (s: GpuArguments) => Drawn,
  layer: (d: Drawn) => readonly Tensor[],
): RecurrenceCase[] {
  return [
    { op: forward, run: (s) => layer(make(s)), tolerance: 2e-5 },
    {
      op: backward,
      run(s) {
        const { lengths, resets, ...params } = make(s);
        const masks = { ...(lengths && { lengths }), ...(resets && { resets }) };
        const shapes = layer({ ...params, ...masks }).map((y) => y.shape);
        const weights = shapes.map((shape) => s.floats(shape));
        const loss = (p: Drawn): Tensor =>
          layer({ ...p, ...masks })
            .map((y, i) => sum(mul(y, weights[i])))
            .reduce((a, b) => a.add(b));
        return Object.values(grad(loss, params));
      },
      tolerance: 1e-4,
    },
  ];
}

function elmanCases(setting: Setting, nonlinearity: ElmanNonlinearity): RecurrenceCase[] {
  const { reverse = false } = setting;
  return judged(
    elmanOp,
    elmanBackwardOp,
    (s) => draw(s, setting, 1),
    (d) => elmanSequence(d['x'], d as never, { ...d, reverse, nonlinearity }),
  );
}

function gruCases(setting: Setting, resetAfter: boolean): RecurrenceCase[] {
  const { reverse = false } = setting;
  return judged(
    resetAfter ? gruOp : gruBeforeOp,
    resetAfter ? gruBackwardOp : gruBeforeBackwardOp,
    (s) => draw(s, setting, 3),
    (d) => gruSequence(d['x'], d as never, { ...d, reverse, resetAfter }),
  );
}

/** Projected to P < H numbers, or not with P = H. */
function lstmCases(setting: Setting, P: number): RecurrenceCase[] {
  const { B, H, reverse = false } = setting;
  return judged(
    lstmOp,
    lstmBackwardOp,
    (s) => ({
      ...draw(s, setting, 4, P),
      c0: s.floats([B, H]),
      ...(P < H && { weightHr: s.floats([P, H], { low: -0.5, high: 0.5 }) }),
    }),
    (d) => {
      const [y, { h, c }] = lstmSequence(d['x'], d as never, { ...d, reverse });
      return [y, h, c];
    },
  );
}

/**
 * Uses of this room's kernels, for `verify` of `@seq/webgpu-kernels`: `verify(device, { cases: recurrenceCases() })`
 * holds them against the CPU on the adapter at hand.
 */
export function recurrenceCases(): RecurrenceCase[] {
  const functions = ['tanh', 'relu', 'sigmoid', 'identity'] as const;
  return settings.flatMap((setting, i) => [
    ...elmanCases(setting, functions[i % 4]),
    ...gruCases(setting, true),
    ...gruCases(setting, false),
    ...lstmCases(setting, setting.H),
    ...lstmCases(setting, 4),
  ]);
}
