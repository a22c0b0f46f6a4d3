// How parts of a query's softmax, each over some of its keys, become its result.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { elementOf, fours, resultText } from './text.js';
import type { Look } from './text.js';

/** −∞ by its bits: constants must be finite. */
export const lseText = `
fn minus_infinity() -> f32 { var bits = 0xff800000u; return bitcast<f32>(bits); }
fn lse_of(m: f32, l: f32) -> f32 { return select(minus_infinity(), m + log(max(l, 1e-37)), l > 0.0); }`;

/**
 * `join(unit, d, parts)`: four values d of query `unit`, and its lse, from the records in `parts`: largest score, sum of
 * weights, weighted values.
 */
export function joinText({ V }: Look): string {
  const record = `${fours(V) + 1}u`;
  return `${lseText}
fn join(unit: u32, d: u32, count: u32) {
  let N = p.T * p.R;
  let first = unit * count * ${record};
  var m = -1e30;
  for (var n = 0u; n < count; n++) { m = max(m, parts(first + n * ${record}).x); }
  var l = 0.0;
  var sum = vec4<f32>();
  for (var n = 0u; n < count; n++) {
    let at = first + n * ${record};
    let head = parts(at);
    let f = ex(head.x - m);
    l += f * head.y;
    sum += f * parts(at + 1u + d);
  }
  let b = unit / N / p.G;
  let h = unit / N % p.G * p.R + unit % N % p.R;
  let i = unit % N / p.R;
  put_o(((b * p.T + i) * p.H + h) * ${V}u, d, sum * select(0.0, 1.0 / max(l, 1e-37), l > 0.0));
  if (d == 0u) { set_lse((b * p.H + h) * p.T + i, lse_of(m, l)); }
}`;
}

interface JoinSpec {
  readonly look: Look;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  /** Operand numbers. */
  readonly at: { readonly o: number; readonly lse: number; readonly parts: number };
}

/** The second pass of a split: an invocation computes four values of one query. No workgroup memory. */
const joinShaders = /* @__PURE__ */ memo((text): GpuShader => {
  const { look, params, at } = JSON.parse(text) as JoinSpec;
  const V4 = fours(look.V);
  return shader({
    name: 'flash/join',
    operands: [
      reads('parts', 'f32x4', at.parts),
      writes('o', elementOf(look), at.o),
      writes('lse', 'f32', at.lse),
    ],
    params,
    workgroup: 64,
    declare: `fn ex(x: f32) -> f32 { return exp(max(x, -150.0)); }
${resultText('o', look.V, look.four)}
${joinText(look)}`,
    main: `
  if (linear >= p.B * p.G * p.T * p.R * ${V4}u) { return; }
  join(linear / ${V4}u, linear % ${V4}u, p.parts);`,
  });
});

export function joinShader(spec: JoinSpec): GpuShader {
  return joinShaders(JSON.stringify(spec));
}
