import type { GpuPass, GpuShader } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../../wgsl/index.js';
import type { Epilogue } from './text.js';

let making: { from: number; to: number; epilogue?: Epilogue | undefined } | null = null;

const shaders = /* @__PURE__ */ memo((): GpuShader => {
  const { from, to, epilogue } = making!;
  const value = epilogue ? 'finish(sum, i / p.size, i % p.size / p.columns, i % p.columns)' : 'sum';
  return shader({
    name: 'matmul/sum',
    operands: [reads('x', 'f32', from), writes('y', 'f32', to), ...(epilogue?.operands ?? [])],
    params: { n: 'u32', slices: 'u32', size: 'u32', columns: 'u32', ...epilogue?.params },
    alias: epilogue?.alias ?? [],
    workgroup: 64,
    declare: epilogue?.declare ?? '',
    main: `let i = linear;
if (i >= p.n) { return; }
var sum = x(i);
for (var s = 1u; s < p.slices; s++) { sum += x(s * p.n + i); }
set_y(i, ${value});`,
  });
});

/** Adds up the parts of K, in order: y[i] = Σ_s x[s n + i], then the epilogue. */
export function sumPass(
  { n, slices, size, columns }: { n: number; slices: number; size: number; columns: number },
  from: number,
  to: number,
  epilogue?: Epilogue,
): GpuPass {
  making = { from, to, epilogue };
  const s = shaders(`${from} ${to} ${epilogue?.key ?? ''}`);
  return {
    shader: s,
    params: [n, slices, size, columns, ...(epilogue?.values ?? [])],
    workgroups: grid(n, 64),
  };
}
