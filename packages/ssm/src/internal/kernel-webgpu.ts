// WebGPU kernels of `diagonalKernel`: K_l = Σ_n Re(c_n e^{l z_n}) and its gradients.
import type { GpuCall, GpuKernels, GpuPlan, GpuShader } from '@seq/tensor/engine';
import { grid, mathOf, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { KernelAttrs } from './kernel.js';

/** w = e^{l z}; what rounding took from the angle is put back to first order. */
const powerText = /* @__PURE__ */ memo(
  () => `${mathOf('m_sin m_cos')}
fn power(zr: f32, zi: f32, l: f32) -> vec2<f32> {
  let angle = zi * l;
  let low = fma(zi, l, -angle);
  let c = m_cos(angle);
  let s = m_sin(angle);
  return exp(zr * l) * vec2<f32>(c - low * s, s + low * c);
}`,
);

const forwardText = /* @__PURE__ */ memo((): GpuShader =>
  // One invocation computes one element of one kernel. No workgroup memory.
  shader({
    name: 'diagonalKernel',
    operands: [...['zr', 'zi', 'cr', 'ci'].map((name, i) => reads(name, 'f32', i)), writes('k', 'f32', 4)],
    params: { count: 'u32', N: 'u32', L: 'u32' },
    workgroup: 64,
    declare: powerText(''),
    main: `if (linear >= p.count) { return; }
  let first = linear / p.L * p.N;
  let l = f32(linear % p.L);
  var sum = 0.0;
  for (var n = first; n < first + p.N; n++) {
    let w = power(zr(n), zi(n), l);
    sum += cr(n) * w.x - ci(n) * w.y;
  }
  set_k(linear, sum);`,
  }),
);

const backwardText = /* @__PURE__ */ memo((key): GpuShader => {
  // One invocation computes the gradients of one state; two outputs at a time, so that eight bindings are enough.
  const [first, names] = key === 'z' ? [5, ['dzr', 'dzi']] : [7, ['dcr', 'dci']];
  const [re, im] =
    key === 'z'
      ? ['l * (cr(linear) * w.x - ci(linear) * w.y)', '-l * (cr(linear) * w.y + ci(linear) * w.x)']
      : ['w.x', '-w.y'];
  return shader({
    name: `diagonalKernel.backward/${key}`,
    operands: [
      ...['zr', 'zi', 'cr', 'ci', 'g']
        .map((name, i) => reads(name, 'f32', i))
        .filter(({ name }) => key === 'z' || !name.startsWith('c')),
      ...names.map((name, i) => writes(name, 'f32', first + i)),
    ],
    params: { count: 'u32', N: 'u32', L: 'u32' },
    workgroup: 64,
    declare: powerText(''),
    main: `if (linear >= p.count) { return; }
  let row = linear / p.N * p.L;
  var sum = vec2<f32>(0.0, 0.0);
  for (var i = 0u; i < p.L; i++) {
    let l = f32(i);
    let w = power(zr(linear), zi(linear), l);
    sum += g(row + i) * vec2<f32>(${re}, ${im});
  }
  set_${names[0]}(linear, sum.x);
  set_${names[1]}(linear, sum.y);`,
  });
});

function planForward({ inputs: [z], attrs: { length } }: GpuCall<KernelAttrs>): GpuPlan {
  const count = z.shape[0] * length;
  if (count === 0) return { passes: [] };
  return {
    passes: [{ shader: forwardText(''), params: [count, z.shape[1], length], workgroups: grid(count, 64) }],
  };
}

function planBackward({ inputs: [z], attrs: { length } }: GpuCall<KernelAttrs>): GpuPlan {
  const count = z.shape[0] * z.shape[1];
  if (count === 0) return { passes: [] };
  const pass = (key: string): GpuPlan['passes'][number] => ({
    shader: backwardText(key),
    params: [count, z.shape[1], length],
    workgroups: grid(count, 64),
  });
  return { passes: [pass('z'), pass('c')] };
}

/** zr, zi, cr, ci [H, N] → K [H, L]. */
export const forwardKernels: GpuKernels<KernelAttrs> = {
  variants: [{ name: 'elements', supports: () => true, plan: planForward }],
};

/** zr, zi, cr, ci [H, N], dK [H, L] → their gradients. */
export const backwardKernels: GpuKernels<KernelAttrs> = {
  variants: [{ name: 'states', supports: () => true, plan: planBackward }],
};
