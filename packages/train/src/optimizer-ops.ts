import { address, defineOp, DTypeError, kernelsOf, ShapeError, show, where } from '@seq/tensor';
import type { Aval, CpuCall, CpuView, Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';

const gpu = /* @__PURE__ */ lazyKernels('adam', () => import('./adam-webgpu.js'));

/**
 * Updates many parameters: `hyper` [4] = learning rate, number of this update (1 first), factor on the
 * gradient, and 1 or 0 for "update" or "leave everything as it is".
 */
export interface AdamAttrs {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** λ of each parameter. */
  readonly weightDecay: readonly number[];
  /** Decay apart from the gradient (AdamW) or as part of it (Adam). */
  readonly decoupled: boolean;
  readonly maximize: boolean;
}

/** Attributes of `sgdOp`. */
export interface SgdAttrs {
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly maximize: boolean;
}

type Floats = Float32Array | Float64Array;

/** How the operands of one parameter follow each other: p, g, m, v, and with AMSGrad the largest v so far. */
const operandsOf = (amsgrad: boolean): number => (amsgrad ? 5 : 4);

const adamOps = new Map<string, Op<AdamAttrs>>();

/**
 * Adam and AdamW of so many parameters: [p, g, m, v] of each, then hyper → [p, m, v] of each; with AMSGrad a fifth
 * tensor, the largest v so far, comes behind v. One op, so that a device may update many tensors at once.
 */
export function adamOp(count: number, amsgrad: boolean): Op<AdamAttrs> {
  const key = `${count} ${amsgrad}`;
  let op = adamOps.get(key);
  if (op === undefined) adamOps.set(key, (op = makeAdamOp(count, amsgrad)));
  return op;
}

function makeAdamOp(count: number, amsgrad: boolean): Op<AdamAttrs> {
  const [takes, gives] = [operandsOf(amsgrad), operandsOf(amsgrad) - 1];
  const each = Array.from({ length: count }, (_, k) => k);
  /** Operands of parameter k with hyper behind them. */
  const own = <T>(all: readonly T[], k: number): T[] => [
    ...all.slice(k * takes, (k + 1) * takes),
    all[all.length - 1],
  ];
  const inplace = each.flatMap((k) =>
    Array.from({ length: gives }, (_, i) => [k * gives + i, k * takes + (i === 0 ? 0 : i + 1)] as const),
  );
  return defineOp<AdamAttrs>({
    name: 'adam',
    infer: (inputs) => each.flatMap((k) => sameAvals('adam', own(inputs, k))),
    inplace,
    cpu(call) {
      const { inputs, outputs, attrs } = call;
      for (const k of each) {
        const views = { inputs: own(inputs, k), outputs: outputs.slice(k * gives, (k + 1) * gives) };
        adamCpu({ ...call, ...views }, attrs.weightDecay[k]);
      }
    },
    webgpu: () => gpu().adamKernels(count, amsgrad, inplace),
    reference: (inputs, attrs) =>
      each.flatMap((k) => adamReference(own(inputs, k), attrs, attrs.weightDecay[k])),
    cost: (_, outputs) => ({ flops: 16 * each.reduce((n, k) => n + sizeOf(outputs[k * gives]), 0) }),
  });
}

function adamCpu(call: CpuCall<AdamAttrs>, weightDecay: number): void {
  const { inputs, outputs } = call;
  const { beta1, beta2, eps, decoupled, maximize } = call.attrs;
  const amsgrad = inputs.length === 6;
  const [lr, t, factor, on] = hyperOf(inputs.at(-1)!);
  if (on === 0) return copyAll(inputs, outputs);
  const size = inputs[0].shape.reduce((n, d) => n * d, 1);
  const [p, po] = floats(inputs[0]);
  const [g, go] = floats(inputs[1]);
  const [m, mo] = floats(inputs[2]);
  const [v, vo] = floats(inputs[3]);
  const [top, to] = amsgrad ? floats(inputs[4]) : [v, vo];
  const [pOut, pOutAt] = floats(outputs[0]);
  const [mOut, mOutAt] = floats(outputs[1]);
  const [vOut, vOutAt] = floats(outputs[2]);
  const [topOut, topOutAt] = amsgrad ? floats(outputs[3]) : [vOut, vOutAt];
  const stepSize = lr / (1 - beta1 ** t);
  const rootCorrection = Math.sqrt(1 - beta2 ** t);
  const sign = maximize ? -factor : factor;
  const keep = decoupled ? 1 - lr * weightDecay : 1;
  const l2 = decoupled ? 0 : weightDecay;
  const kernels = p instanceof Float32Array && !amsgrad ? kernelsOf(call) : null;
  if (kernels !== null) {
    const [ap, ag, am, av] = inputs.map(address);
    const [aP, aM, aV] = outputs.map(address);
    kernels.adam(
      aP,
      aM,
      aV,
      ap,
      ag,
      am,
      av,
      size,
      beta1,
      beta2,
      stepSize,
      rootCorrection,
      eps,
      keep,
      l2,
      sign,
    );
    return;
  }
  for (let i = 0; i < size; i++) {
    const x = p[po + i];
    const d = sign * g[go + i] + l2 * x;
    const m1 = beta1 * m[mo + i] + (1 - beta1) * d;
    const v1 = beta2 * v[vo + i] + (1 - beta2) * d * d;
    const size2 = amsgrad ? Math.max(top[to + i], v1) : v1;
    mOut[mOutAt + i] = m1;
    vOut[vOutAt + i] = v1;
    if (amsgrad) topOut[topOutAt + i] = size2;
    pOut[pOutAt + i] = keep * x - (stepSize * m1) / (Math.sqrt(size2) / rootCorrection + eps);
  }
}

function adamReference(
  inputs: readonly Tensor[],
  { beta1, beta2, eps, decoupled, maximize }: AdamAttrs,
  weightDecay: number,
): Tensor[] {
  const [p, g, m, v] = inputs as [Tensor, Tensor, Tensor, Tensor];
  const top = inputs.length === 6 ? inputs[4] : undefined;
  const { lr, t, factor, on } = hyperTensors(inputs.at(-1)!);
  const correction = (beta: number): Tensor => t.mul(Math.log(beta)).expm1().neg();
  let d = g.mul(maximize ? factor.neg() : factor);
  if (!decoupled && weightDecay !== 0) d = d.add(p.mul(weightDecay));
  const m1 = m.mul(beta1).add(d.mul(1 - beta1));
  const v1 = v.mul(beta2).add(d.square().mul(1 - beta2));
  const top1 = top?.maximum(v1);
  const denominator = (top1 ?? v1).sqrt().div(correction(beta2).sqrt()).add(eps);
  const decayed = decoupled && weightDecay !== 0 ? p.mul(lr.mul(-weightDecay).add(1)) : p;
  const p1 = decayed.sub(lr.div(correction(beta1)).mul(m1).div(denominator));
  const results: [Tensor, Tensor][] = [
    [p1, p],
    [m1, m],
    [v1, v],
  ];
  if (top1) results.push([top1, top!]);
  return results.map(([next, before]) => where(on, next, before));
}

/** SGD: [p, g, hyper] → [p], or with momentum [p, g, buffer, hyper] → [p, buffer]. */
export const sgdOp: Op<SgdAttrs> = /* @__PURE__ */ defineOp<SgdAttrs>({
  name: 'sgd',
  infer: (inputs) => sameAvals('sgd', inputs),
  inplace: [
    [0, 0],
    [1, 2],
  ],
  cpu({ inputs, outputs, attrs }) {
    const { momentum, dampening, nesterov, weightDecay, maximize } = attrs;
    const heavy = inputs.length === 4;
    const [lr, t, factor, on] = hyperOf(inputs.at(-1)!);
    if (on === 0) return copyAll(inputs, outputs);
    const size = inputs[0].shape.reduce((n, d) => n * d, 1);
    const [p, po] = floats(inputs[0]);
    const [g, go] = floats(inputs[1]);
    const [b, bo] = heavy ? floats(inputs[2]) : [p, po];
    const [pOut, pOutAt] = floats(outputs[0]);
    const [bOut, bOutAt] = heavy ? floats(outputs[1]) : [pOut, pOutAt];
    const sign = maximize ? -factor : factor;
    const old = t === 1 ? 0 : momentum;
    const fresh = t === 1 ? 1 : 1 - dampening;
    for (let i = 0; i < size; i++) {
      const x = p[po + i];
      let d = sign * g[go + i] + weightDecay * x;
      if (heavy) {
        const b1 = old * b[bo + i] + fresh * d;
        bOut[bOutAt + i] = b1;
        d = nesterov ? d + momentum * b1 : b1;
      }
      pOut[pOutAt + i] = x - lr * d;
    }
  },
  reference(inputs, { momentum, dampening, nesterov, weightDecay, maximize }) {
    const [p, g] = inputs as [Tensor, Tensor];
    const buffer = inputs.length === 4 ? inputs[2] : undefined;
    const { lr, t, factor, on } = hyperTensors(inputs.at(-1)!);
    let d = g.mul(maximize ? factor.neg() : factor);
    if (weightDecay !== 0) d = d.add(p.mul(weightDecay));
    if (!buffer) return [where(on, p.sub(d.mul(lr)), p)];
    const first = t.eq(1);
    const b1 = where(first, d, buffer.mul(momentum).add(d.mul(1 - dampening)));
    const move = nesterov ? d.add(b1.mul(momentum)) : b1;
    return [where(on, p.sub(move.mul(lr)), p), where(on, b1, buffer)];
  },
  cost: (_, outputs) => ({ flops: 8 * sizeOf(outputs[0]) }),
});

/** Outputs are as the parameter and the tensors between gradient and hyper. */
function sameAvals(name: string, inputs: readonly Aval[]): Aval[] {
  const p = inputs[0];
  const hyper = inputs.at(-1)!;
  if (p.dtype !== 'f32' && p.dtype !== 'f64') {
    throw new DTypeError(
      `${name}: parameters must be f32 or f64, got ${p.dtype}. Keep them in f32 and cast inside the model.`,
    );
  }
  for (const [i, x] of inputs.slice(1, -1).entries()) {
    const what = i === 0 ? 'gradient' : 'state';
    if (x.dtype !== p.dtype)
      throw new DTypeError(
        `${name}: the ${what} must have the parameter's dtype ${p.dtype}, got ${x.dtype}. Make both from the same parameters.`,
      );
    if (show(x.shape) !== show(p.shape)) {
      throw new ShapeError(
        `${name}: the ${what} must have the parameter's shape ${show(p.shape)}, got ${show(x.shape)}. Make both from the same parameters.`,
      );
    }
  }
  if (hyper.dtype !== p.dtype || show(hyper.shape) !== '[4]') {
    throw new ShapeError(
      `${name}: hyper must be ${p.dtype} [4], got ${hyper.dtype} ${show(hyper.shape)}. Stack lr, step, factor and switch.`,
    );
  }
  return inputs
    .slice(0, -1)
    .filter((_, i) => i !== 1)
    .map(({ shape, dtype }) => ({ shape, dtype }));
}

function hyperTensors(hyper: Tensor): { lr: Tensor; t: Tensor; factor: Tensor; on: Tensor } {
  return { lr: hyper.at(0), t: hyper.at(1), factor: hyper.at(2), on: hyper.at(3).ne(0) };
}

function hyperOf({ data, offset }: CpuView): [number, number, number, number] {
  return [data[offset], data[offset + 1], data[offset + 2], data[offset + 3]];
}

function floats({ data, offset }: CpuView): [Floats, number] {
  return [data as Floats, offset];
}

function copyAll(inputs: readonly CpuView[], outputs: readonly CpuView[]): void {
  const kept = inputs.slice(0, -1).filter((_, i) => i !== 1);
  outputs.forEach((out, i) => {
    const { data, offset, shape } = kept[i];
    const size = shape.reduce((n, d) => n * d, 1);
    out.data.set(data.subarray(offset, offset + size), out.offset);
  });
}

function sizeOf({ shape }: Aval): number {
  return shape.reduce((n, d) => n * d, 1);
}
