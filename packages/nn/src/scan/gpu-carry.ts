// What passes from chunk to chunk: one invocation per column of a head's state, through all chunks.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { group, scanParams } from './gpu-text.js';
import type { ScanKey } from './gpu-text.js';

/**
 * `forward`: states[c + 1] ← transition of c · states[c] + what chunk c made from 0, from `initial`.
 * `backward`: w[c] ← transition of c · w[c + 1] + what chunk c made from 0, from dState; w[0] is the gradient by `initial`.
 */
export const carryShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { forward, at, erase, decay, K, V } = JSON.parse(text) as ScanKey & { forward: boolean };
  const turned = erase !== 'none' ? 'full' : decay !== 'none' ? 'turn(turn_at + i) * s[i]' : 's[i]';
  const sum =
    turned === 'full'
      ? `var moved = 0.0;
    for (var j = 0u; j < K; j++) { moved += turn(turn_at + j * K + i) * s[j]; }`
      : `let moved = ${turned};`;
  const advance = (from: string): string => `
  let turn_at = ((n * p.N + c) * p.H + h) * p.extra * K;
  for (var i = 0u; i < K; i++) {
    ${sum}
    next[i] = moved + ${from}(base + i * V);
  }
  s = next;`;
  return shader({
    name: `matrixScan${forward ? '' : '.backward'}/carry`,
    operands: [
      reads('from_first', 'f32', at[forward ? 'initial' : 'dState']),
      ...(turned === 's[i]' ? [] : [reads('turn', 'f32', at['turn'])]),
      writes('x', 'f32', at[forward ? 'states' : 'w']),
      ...(forward ? [] : [writes('dInitial', 'f32', at['dInitial'])]),
    ],
    params: scanParams,
    workgroup: group,
    declare: `const K = ${K}u; const V = ${V}u;`,
    main: `
let e = linear % V;
let h = (linear / V) % p.H;
let n = linear / (V * p.H);
if (n >= p.B) { return; }
let whole = (n * p.H + h) * K * V + e;
var s: array<f32, ${K}>;
var next: array<f32, ${K}>;
for (var i = 0u; i < K; i++) { s[i] = from_first(whole + i * V); }
${
  forward
    ? `{ let base = (n * p.N * p.H + h) * K * V + e;
  for (var i = 0u; i < K; i++) { set_x(base + i * V, s[i]); } }
for (var c = 0u; c + 1u < p.N; c++) {
  let base = ((n * p.N + c + 1u) * p.H + h) * K * V + e;
  ${advance('x')}
  for (var i = 0u; i < K; i++) { set_x(base + i * V, s[i]); }
}`
    : `{ let base = ((n * (p.N + 1u) + p.N) * p.H + h) * K * V + e;
  for (var i = 0u; i < K; i++) { set_x(base + i * V, s[i]); } }
for (var back = p.N; back > 0u; back--) {
  let c = back - 1u;
  let base = ((n * (p.N + 1u) + c) * p.H + h) * K * V + e;
  ${advance('x')}
  for (var i = 0u; i < K; i++) { set_x(base + i * V, s[i]); }
}
for (var i = 0u; i < K; i++) { set_dInitial(whole + i * V, s[i]); }`
}`,
  });
});
