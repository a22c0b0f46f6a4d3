import {
  apply,
  apply1,
  arange,
  cos,
  defineOp,
  exp,
  expandDims,
  mul,
  OptionError,
  scope,
  ShapeError,
  show,
  sin,
  sum,
  vjp,
} from '@seq/tensor';
import type { Complex, CpuCall, Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';

const gpu = /* @__PURE__ */ lazyKernels('diagonalKernel', () => import('./kernel-webgpu.js'));

/** Attributes of the ops behind `diagonalKernel`. */
export interface KernelAttrs {
  /** L */
  readonly length: number;
}

/** Σ_n Re(c_n e^{l z_n}), with all powers written out. */
function composite([zr, zi, cr, ci]: readonly Tensor[], { length }: KernelAttrs): Tensor {
  const l = arange(0, length, 1, { dtype: zr.dtype, device: zr.device });
  const size = exp(mul(expandDims(zr, 2), l));
  const angle = mul(expandDims(zi, 2), l);
  const re = mul(expandDims(cr, 2), cos(angle)).sub(mul(expandDims(ci, 2), sin(angle)));
  return sum(mul(size, re), 1);
}

/** zr, zi, cr, ci [H, N] → K [H, L]. */
const kernelOp: Op<KernelAttrs> = /* @__PURE__ */ defineOp<KernelAttrs>({
  name: 'diagonalKernel',
  infer: ([z], { length }) => ({ shape: [z.shape[0], length], dtype: z.dtype }),
  cpu: forward,
  webgpu: () => gpu().forwardKernels,
  reference: composite,
  vjp: ({ inputs, cotangents, attrs }) => apply(backwardOp, [...inputs, cotangents[0]!], attrs) as Tensor[],
  cost: ([z], [k]) => ({ flops: 6 * z.shape[1] * k.shape[0] * k.shape[1] }),
});

const backwardOp: Op<KernelAttrs> = /* @__PURE__ */ defineOp<KernelAttrs>({
  name: 'diagonalKernel.backward',
  infer: (inputs) => inputs.slice(0, 4).map(({ shape, dtype }) => ({ shape, dtype })),
  cpu: backward,
  webgpu: () => gpu().backwardKernels,
  reference: (inputs, attrs) =>
    vjp((...list: Tensor[]) => composite(list, attrs), inputs.slice(0, 4), inputs[4])[1],
  cost: ([z], _, { length }) => ({ flops: 12 * z.shape[0] * z.shape[1] * length }),
});

/** Visits w_l = e^{l z} for all l, in double. */
function powers(
  zr: number,
  zi: number,
  length: number,
  visit: (l: number, re: number, im: number) => void,
): void {
  const [size, cosine, sine] = [Math.exp(zr), Math.cos(zi), Math.sin(zi)];
  let [re, im] = [1, 0];
  for (let l = 0; l < length; l++) {
    visit(l, re, im);
    [re, im] = [size * (re * cosine - im * sine), size * (re * sine + im * cosine)];
  }
}

function forward({ inputs, outputs: [k], attrs: { length } }: CpuCall<KernelAttrs>): void {
  const [H, N] = inputs[0].shape;
  k.data.fill(0, k.offset, k.offset + H * length);
  const row = new Float64Array(length);
  for (let h = 0; h < H; h++) {
    row.fill(0);
    for (let n = h * N; n < (h + 1) * N; n++) {
      const [zr, zi, cr, ci] = inputs.map((x) => x.data[x.offset + n]);
      powers(zr, zi, length, (l, re, im) => {
        row[l] += cr * re - ci * im;
      });
    }
    k.data.set(row, k.offset + h * length);
  }
}

/** dc̄ = Σ g_l w̄_l, dz̄ = Σ g_l l w̄_l c̄, as pairs of reals. */
function backward({ inputs, outputs, attrs: { length } }: CpuCall<KernelAttrs>): void {
  const [H, N] = inputs[0].shape;
  const g = inputs[4];
  for (let n = 0; n < H * N; n++) {
    const [zr, zi, cr, ci] = inputs.slice(0, 4).map((x) => x.data[x.offset + n]);
    const from = g.offset + Math.floor(n / N) * length;
    const d = [0, 0, 0, 0];
    powers(zr, zi, length, (l, re, im) => {
      const by = g.data[from + l];
      d[0] += by * l * (cr * re - ci * im);
      d[1] -= by * l * (cr * im + ci * re);
      d[2] += by * re;
      d[3] -= by * im;
    });
    outputs.forEach((o, i) => (o.data[o.offset + n] = d[i]));
  }
}

/** Throws unless L is a length that a kernel can have. */
export function checkLength(where: string, L: number): void {
  if (!Number.isInteger(L) || L < 1)
    throw new OptionError(`${where}: L must be a positive integer, got ${L}.`);
}

/**
 * Impulse responses of diagonal state spaces: K_l = Σ_n Re(c_n e^{l z_n}), l = 0 … L − 1.
 *
 * Powers are computed where they are needed and never written out. Cost: 6 N flops an element.
 *
 * @param z  { re, im } [H, N]  logarithms of what is left after a step, such as Δ λ
 * @param c  { re, im } [H, N]
 * @returns  [H, L]
 * @throws ShapeError  parts of unlike shapes; OptionError  an L that is no positive integer
 */
export function diagonalKernel(z: Complex, c: Complex, L: number): Tensor {
  checkLength('diagonalKernel', L);
  const all = [z.re, z.im, c.re, c.im];
  if (z.re.ndim !== 2 || all.some((t) => show(t.shape) !== show(z.re.shape)))
    throw new ShapeError(
      `diagonalKernel: both parts of z and c must be [H, N], got ${all.map((t) => show(t.shape)).join(', ')}.`,
    );
  return scope(() => apply1(kernelOp, all, { length: L }));
}
