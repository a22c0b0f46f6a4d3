// One position on WebGPU: an invocation has one column of a head's state, which it reads and writes where it lies.
import type { GpuCall, GpuKernels, GpuPass, GpuShader } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { fadeText, group } from './gpu-text.js';
import type { At } from './gpu-text.js';
import { operandNames, operandsOf, sizesOf } from './shapes.js';
import type { ScanAttrs } from './shapes.js';

interface StepKey extends Pick<ScanAttrs, 'decay' | 'erase'> {
  /** All at once, or first what decays and is erased, then what is written and read. */
  readonly part: 'whole' | 'erase' | 'write';
  readonly at: At;
  readonly alias: readonly number[];
}

const stepShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { part, decay, erase, at, alias } = JSON.parse(text) as StepKey;
  const [first, last] = [part !== 'write', part !== 'erase'];
  const [own, pair] = [erase === 'own', erase === 'pair'];
  // What own erasing saw is written together with v.
  const fading = first && decay !== 'none';
  const seeing = erase !== 'none' && first;
  const before = `${first ? 'initial' : 'state'}(at)`;
  const kept = !fading ? before : `${decay === 'head' ? 'kept' : 'fade(g(keys + i))'} * ${before}`;
  const terms = [
    kept,
    ...(pair && first ? ['b(keys + i) * seen'] : []),
    ...(own && first ? ['k(shared_keys + i) * seen'] : []),
    ...(last ? ['k(shared_keys + i) * x'] : []),
  ];
  return shader({
    name: `matrixScan.step/${part}`,
    operands: [
      ...(last ? ['q', 'v'] : []),
      ...(last || (own && first) ? ['k'] : []),
      ...(first ? ['initial'] : []),
      ...(fading ? ['g'] : []),
      ...(seeing ? ['a'] : []),
      ...(pair && first ? ['b'] : []),
    ]
      .map((name) => reads(name, 'f32', at[name]))
      .concat(['state', ...(last ? ['o'] : [])].map((name) => writes(name, 'f32', at[name]))),
    params: { B: 'u32', G: 'u32', H: 'u32', K: 'u32', V: 'u32' },
    workgroup: group,
    alias,
    declare: fading ? fadeText : '',
    main: `
let row = linear / p.V;
if (row >= p.B * p.H) { return; }
let base = row * p.K * p.V + linear % p.V;
let keys = row * p.K;
let shared_keys = (row / p.H * p.G + row % p.H * p.G / p.H) * p.K;
${fading && decay === 'head' ? 'let kept = fade(g(row));' : ''}
${seeing ? 'var seen = 0.0;\nfor (var i = 0u; i < p.K; i++) { seen += a(keys + i) * initial(base + i * p.V); }' : ''}
${last ? 'let x = v(linear);\nvar sum = 0.0;' : ''}
for (var i = 0u; i < p.K; i++) {
  let at = base + i * p.V;
  let now = ${terms.join(' + ')};
  set_state(at, now);
  ${last ? 'sum += q(shared_keys + i) * now;' : ''}
}
${last ? 'set_o(linear, sum);' : ''}`,
  });
});

function pass({ inputs, attrs, alias }: GpuCall<ScanAttrs>, part: StepKey['part']): GpuPass {
  const operands = operandsOf(inputs, attrs);
  const { B, G, H, K, V } = sizesOf(operands.q, operands.v, attrs);
  const names = [...operandNames(attrs), 'o', 'state'];
  const at = Object.fromEntries(names.map((name, i) => [name, i]));
  const { decay, erase } = attrs;
  // Where there are two parts, the second reads the state that the first wrote.
  const key: StepKey = { part, decay, erase, at, alias };
  return {
    shader: stepShader(JSON.stringify(key)),
    params: [B, G, H, K, V],
    workgroups: grid(B * H * V, group),
  };
}

const single = ({ inputs: [q] }: GpuCall<ScanAttrs>): true | string =>
  q.dtype === 'f32' || 'computes f32 only';

/** One dispatch; two where the floor of WebGPU has too few bindings: a pair with decays that is given a state to keep. */
export const stepKernels: GpuKernels<ScanAttrs> = {
  inplace: [[1, 3]],
  variants: [
    {
      name: 'whole',
      supports(call, { storageBuffers }) {
        const bindings = call.inputs.length + 2 - call.alias.filter((to) => to !== -1).length;
        return bindings > storageBuffers ? `binds ${bindings} buffers` : single(call);
      },
      plan: (call) => ({ passes: [pass(call, 'whole')] }),
    },
    {
      name: 'halves',
      supports: single,
      plan: (call) => ({ passes: [pass(call, 'erase'), pass(call, 'write')] }),
    },
  ],
};
