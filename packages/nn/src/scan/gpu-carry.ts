// What passes from chunk to chunk. `forward`: states[c + 1] ← transition of c · states[c] + what chunk c made from 0, from
// `initial`; else w[c] ← transition of c · w[c + 1] + what chunk c made from 0, from dState, and w[0] is the gradient by
// `initial`.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { group, scanParams } from './gpu-text.js';
import type { ScanKey } from './gpu-text.js';

/** Where nothing is erased, numbers of a state know nothing of each other: one invocation for each, through all chunks. */
export const carryShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  // `last`: the last chunk's part stands in `state` and becomes the state behind it.
  const { forward, last, at, decay, V } = JSON.parse(text) as ScanKey & { forward: boolean; last?: boolean };
  const advance = `${decay === 'none' ? '' : 'turn(((n * p.N + c) * p.H + h) * K + d) * '}s + `;
  const place = (c: string): string =>
    `((n * ${forward ? 'p.N' : '(p.N + 1u)'} + ${c}) * p.H + h) * p.cols + entry`;
  return shader({
    name: `matrixScan${forward ? '' : '.backward'}/carry`,
    operands: [
      reads('from_first', 'f32', at[forward ? 'initial' : 'dState']),
      ...(decay === 'none' ? [] : [reads('turn', 'f32', at['turn'])]),
      writes('x', 'f32', at[forward ? 'states' : 'w']),
      ...(forward ? [] : [writes('dInitial', 'f32', at['dInitial'])]),
      ...(last ? [writes('state', 'f32', at['state'])] : []),
    ],
    params: scanParams,
    workgroup: group,
    main: `
let entry = linear % p.cols;
let h = (linear / p.cols) % p.H;
let n = linear / (p.cols * p.H);
if (n >= p.B) { return; }
let K = p.cols / ${V}u;
let d = entry / ${V}u;
var s = from_first(linear);
${
  forward
    ? `set_x(${place('0u')}, s);
for (var c = 0u; c + 1u < p.N; c++) {
  let at = ${place('c + 1u')};
  s = ${advance}x(at);
  set_x(at, s);
}
${last ? `let c = p.N - 1u;\nset_state(linear, ${advance}state(linear));` : ''}`
    : `set_x(${place('p.N')}, s);
for (var back = p.N; back > 0u; back--) {
  let c = back - 1u;
  let at = ${place('c')};
  s = ${advance}x(at);
  set_x(at, s);
}
set_dInitial(linear, s);`
}`,
  });
});

/** Where something is erased, a chunk's transition is a matrix: one invocation for each column of a head's state. */
export const carryColumnsShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { forward, at, K, V } = JSON.parse(text) as ScanKey & { forward: boolean };
  const advance = `
  let turn_at = ((n * p.N + c) * p.H + h) * K * K;
  for (var i = 0u; i < K; i++) {
    var moved = 0.0;
    for (var j = 0u; j < K; j++) { moved += turn(turn_at + j * K + i) * s[j]; }
    next[i] = moved + x(base + i * V);
  }
  s = next;
  for (var i = 0u; i < K; i++) { set_x(base + i * V, s[i]); }`;
  const place = (c: string): string =>
    `((n * ${forward ? 'p.N' : '(p.N + 1u)'} + ${c}) * p.H + h) * K * V + e`;
  return shader({
    name: `matrixScan${forward ? '' : '.backward'}/carry columns`,
    operands: [
      reads('from_first', 'f32', at[forward ? 'initial' : 'dState']),
      reads('turn', 'f32', at['turn']),
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
{ let base = ${place(forward ? '0u' : 'p.N')};
  for (var i = 0u; i < K; i++) { s[i] = from_first(whole + i * V); set_x(base + i * V, s[i]); } }
${
  forward
    ? `for (var c = 0u; c + 1u < p.N; c++) {
  let base = ${place('c + 1u')};
  ${advance}
}`
    : `for (var back = p.N; back > 0u; back--) {
  let c = back - 1u;
  let base = ${place('c')};
  ${advance}
}
for (var i = 0u; i < K; i++) { set_dInitial(whole + i * V, s[i]); }`
}`,
  });
});

/**
 * The same for GPUs: a workgroup has 16 columns of a head's state, [K, 16] in workgroup memory, of which an invocation
 * computes four numbers of every 16th row. The last chunk's part stands in `state`, as where nothing is erased.
 */
export const carryTilesShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { forward, at, K, V } = JSON.parse(text) as ScanKey & { forward: boolean };
  const rows = Array.from({ length: Math.ceil(K / 16) }, (_, r) => r);
  const x = forward ? 'states' : 'w';
  const chunks = forward ? 'p.N' : '(p.N + 1u)';
  /** Text for what is there of the four numbers of row i. */
  const numbers = (text: string): string =>
    rows
      .map(
        (r) => `if (${16 * r}u + first < K) {
  for (var b = 0u; b < 4u && e + b < V; b++) { let entry = (${16 * r}u + first) * V + e + b; ${text.replaceAll('#', `s${r}[b]`)} }
}`,
      )
      .join('\n');
  return shader({
    name: `matrixScan${forward ? '' : '.backward'}/carry tiles`,
    operands: [
      reads('from_first', 'f32', at[forward ? 'initial' : 'dState']),
      reads('turn', 'f32', at['turn']),
      writes('x', 'f32', at[x]),
      writes('last', 'f32', at[forward ? 'state' : 'dInitial']),
    ],
    params: scanParams,
    workgroup: 64,
    declare: `const K = ${K}u; const V = ${V}u;
var<workgroup> S: array<vec4<f32>, ${4 * K}>; // [K, 4]: a row has 16 columns`,
    main: `
let columns = (V + 15u) / 16u;
let h = group / columns % p.H;
let n = group / (columns * p.H);
if (n >= p.B) { return; }
let first = lix / 4u;
let quad = lix % 4u;
let e = group % columns * 16u + quad * 4u;
let whole = (n * p.H + h) * K * V;
${rows.map((r) => `var s${r} = vec4<f32>();`).join('\n')}
{ let base = ((n * ${chunks} + ${forward ? '0u' : 'p.N'}) * p.H + h) * K * V;
  ${numbers('# = from_first(whole + entry); set_x(base + entry, #);')} }
for (var step = 0u; step < p.N; step++) {
  let c = ${forward ? 'step' : 'p.N - 1u - step'};
  workgroupBarrier();
  ${rows.map((r) => `if (${16 * r}u + first < K) { S[(${16 * r}u + first) * 4u + quad] = s${r}; }`).join('\n')}
  workgroupBarrier();
  let base = ((n * ${chunks} + ${forward ? 'c + 1u' : 'c'}) * p.H + h) * K * V;
  ${
    forward
      ? `if (c + 1u < p.N) { ${numbers('# = x(base + entry);')} } else { ${numbers('# = last(whole + entry);')} }`
      : numbers('# = x(base + entry);')
  }
  let turn_at = ((n * p.N + c) * p.H + h) * K * K;
  for (var j = 0u; j < K; j++) {
    let four = S[j * 4u + quad];
    ${rows.map((r) => `s${r} += turn(turn_at + j * K + min(${16 * r}u + first, K - 1u)) * four;`).join('\n')}
  }
  ${
    forward
      ? `if (c + 1u < p.N) { ${numbers('set_x(base + entry, #);')} } else { ${numbers('set_last(whole + entry, #);')} }`
      : numbers('set_x(base + entry, #);')
  }
}
${forward ? '' : numbers('set_last(whole + entry, #);')}`,
  });
});
