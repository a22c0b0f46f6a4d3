// Gradients that are sums over values: one invocation per row of one chunk's state; and those of the decays.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';
import { element, group, head, place, rowsOfT, scanParams } from './gpu-text.js';
import type { ScanKey } from './gpu-text.js';

const keepOperand = ({ decay, at }: ScanKey): Operand[] =>
  decay === 'none' ? [] : [reads('keep', 'f32', at['keep'])];

const keepText = ({ decay }: ScanKey): string =>
  decay === 'none' ? '1.0' : decay === 'head' ? 'keep(row)' : 'keep(row * K + e)';

/** With time, from the chunk's state: dq_t = S_t do_t, and da_t = S_{t−1} du_t. */
export const rowsForwardShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { want, ...k } = JSON.parse(text) as ScanKey & { want: readonly ('dq' | 'da')[] };
  const { at, erase, lanesV: lanes, K, V } = k;
  const lane = element(lanes);
  const value = erase === 'own' ? 'u' : 'v';
  const [dq, da] = [want.includes('dq'), want.includes('da')];
  return shader({
    name: `matrixScan.backward/${want.join('+')}`,
    operands: [
      reads('k', 'f32', at['k']),
      reads(value, lane, at[value]),
      ...keepOperand(k),
      ...(erase === 'pair' ? [reads('b', 'f32', at['b']), reads('u', lane, at['u'])] : []),
      reads('states', lane, at['states']),
      ...(dq ? [reads('dO', lane, at['dO']), writes('dq', 'f32', at['dq'])] : []),
      ...(da ? [reads('du', lane, at['du']), writes('da', 'f32', at['da'])] : []),
    ],
    params: scanParams,
    workgroup: group,
    declare: `${head(lanes)}
const VL = ${V / lanes}u; const K = ${K}u;`,
    main: `${place}
var s: array<X, ${V / lanes}>;
{ let base = (((n * p.N + c) * p.H + h) * K + e) * VL;
  for (var i = 0u; i < VL; i++) { s[i] = states(base + i); } }
for (var t = first; t < end; t++) {
  ${rowsOfT}
  let key = k(group_row * K + e);
  let decay = ${keepText(k)};
  ${erase === 'pair' ? 'let factor = b(row * K + e);' : ''}
  var query = X();
  var read = X();
  for (var i = 0u; i < VL; i++) {
    let before = s[i];
    let now = decay * before + key * ${value}(row * VL + i)${erase === 'pair' ? ' + factor * u(row * VL + i)' : ''};
    s[i] = now;
    ${dq ? 'query += now * dO(row * VL + i);' : ''}
    ${da ? 'read += before * du(row * VL + i);' : ''}
  }
  ${dq ? 'set_dq(row * K + e, total(query));' : ''}
  ${da ? 'set_da(row * K + e, total(read));' : ''}
}`,
  });
});

/** Against time, from what comes from later chunks: dk_t = λ_t v_t, or db_t = λ_t u_t. */
export const rowsBackwardShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { want, ...k } = JSON.parse(text) as ScanKey & { want: 'dk' | 'db' };
  const { at, erase, lanesV: lanes, K, V } = k;
  const lane = element(lanes);
  const value = erase === 'own' || want === 'db' ? 'u' : 'v';
  const erasing = erase !== 'none';
  return shader({
    name: `matrixScan.backward/${want}`,
    operands: [
      reads('q', 'f32', at['q']),
      reads('dO', lane, at['dO']),
      reads(value, lane, at[value]),
      ...keepOperand(k),
      ...(erasing ? [reads('a', 'f32', at['a']), reads('du', lane, at['du'])] : []),
      reads('past', lane, at['w']),
      writes('out', 'f32', at[want]),
    ],
    params: scanParams,
    workgroup: group,
    declare: `${head(lanes)}
const VL = ${V / lanes}u; const K = ${K}u;`,
    main: `${place}
var w: array<X, ${V / lanes}>;
{ let base = (((n * (p.N + 1u) + c + 1u) * p.H + h) * K + e) * VL;
  for (var i = 0u; i < VL; i++) { w[i] = past(base + i); } }
for (var t = end; t > first;) {
  t--;
  ${rowsOfT}
  let query = q(group_row * K + e);
  let decay = ${keepText(k)};
  ${erasing ? 'let factor = a(row * K + e);' : ''}
  var sum = X();
  for (var i = 0u; i < VL; i++) {
    let l = w[i] + query * dO(row * VL + i);
    sum += l * ${value}(row * VL + i);
    w[i] = decay * l${erasing ? ' + factor * du(row * VL + i)' : ''};
  }
  set_out(row * K + e, total(sum));
}`,
  });
});

/** What a position does to a row of the state, side by side: k, the factor e^g, q, a, b and nothing thrice; without b the first four. */
export const packShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const k = JSON.parse(text) as ScanKey;
  const { at, erase, K } = k;
  const size = packSize(erase);
  const optional = [...(erase === 'none' ? [] : ['a']), ...(erase === 'pair' ? ['b'] : [])];
  return shader({
    name: 'matrixScan.backward/pack',
    operands: [
      ...['q', 'k', ...optional].map((name) => reads(name, 'f32', at[name])),
      ...keepOperand(k),
      writes('packed', 'f32', at['packed']),
    ],
    params: scanParams,
    workgroup: group,
    declare: `const K = ${K}u;`,
    main: `
let e = linear % K;
let row = linear / K;
if (row >= p.B * p.T * p.H) { return; }
let shared_at = ((row / p.H) * p.G + (row % p.H) * p.G / p.H) * K + e;
set_packed(linear * ${size}u, k(shared_at));
set_packed(linear * ${size}u + 1u, ${keepText(k)});
set_packed(linear * ${size}u + 2u, q(shared_at));
set_packed(linear * ${size}u + 3u, ${erase === 'none' ? '0.0' : 'a(linear)'});
${erase === 'pair' ? `set_packed(linear * ${size}u + 4u, b(linear));` : ''}`,
  });
});

/** Numbers of a packed element. */
export function packSize(erase: ScanKey['erase']): 4 | 8 {
  return erase === 'pair' ? 8 : 4;
}

/**
 * The gradient by log-decays, dg_t = e^{g_t} Σ_V λ_t ∘ S_{t−1}: for some columns at a time of a row, the states of the
 * chunk with time, then λ against time. Sums of other gradients would give it as well, and lose its digits where little
 * is kept.
 */
export const decayShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, erase, lanesV: lanes, K, V, chunk } = JSON.parse(text) as ScanKey & { chunk: number };
  const lane = element(lanes);
  const [erasing, pair] = [erase !== 'none', erase === 'pair'];
  const value = erase === 'own' ? 'u' : 'v';
  const size = packSize(erase) / 4;
  return shader({
    name: 'matrixScan.backward/decays',
    operands: [
      reads('packed', 'f32x4', at['packed']),
      reads(value, lane, at[value]),
      ...(pair ? [reads('u', lane, at['u'])] : []),
      reads('dO', lane, at['dO']),
      ...(erasing ? [reads('du', lane, at['du'])] : []),
      reads('states', lane, at['states']),
      reads('past', lane, at['w']),
      writes('terms', 'f32', at['terms']),
    ],
    params: scanParams,
    workgroup: group,
    declare: `${head(lanes)}
const VL = ${V / lanes}u; const K = ${K}u;`,
    main: `${place}
var before: array<X, ${chunk}>;
var sums: array<f32, ${chunk}>;
for (var i = 0u; i < VL; i++) {
  var s = states((((n * p.N + c) * p.H + h) * K + e) * VL + i);
  for (var t = first; t < end; t++) {
    let row = (n * p.T + t) * p.H + h;
    let x = packed((row * K + e) * ${size}u);
    before[t - first] = s;
    s = x.y * s + x.x * ${value}(row * VL + i)${pair ? ` + packed((row * K + e) * ${size}u + 1u).x * u(row * VL + i)` : ''};
  }
  var w = past((((n * (p.N + 1u) + c + 1u) * p.H + h) * K + e) * VL + i);
  for (var t = end; t > first;) {
    t--;
    let row = (n * p.T + t) * p.H + h;
    let x = packed((row * K + e) * ${size}u);
    let l = w + x.z * dO(row * VL + i);
    sums[t - first] += x.y * dots(l, before[t - first]);
    w = x.y * l${erasing ? ' + x.w * du(row * VL + i)' : ''};
  }
}
for (var t = first; t < end; t++) { set_terms(((n * p.T + t) * p.H + h) * K + e, sums[t - first]); }`,
  });
});

/** A head's log-decay acts on all its channels. */
export const headDecayShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, K } = JSON.parse(text) as ScanKey;
  return shader({
    name: 'matrixScan.backward/head decays',
    operands: [reads('terms', 'f32', at['terms']), writes('dg', 'f32', at['dg'])],
    params: scanParams,
    workgroup: group,
    declare: `const K = ${K}u;`,
    main: `
if (linear >= p.B * p.T * p.H) { return; }
var sum = 0.0;
for (var i = 0u; i < K; i++) { sum += terms(linear * K + i); }
set_dg(linear, sum);`,
  });
});
