import type { GpuCall, GpuPass, GpuShader } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import { grid, reads, shader, writes } from '../../wgsl/shader.js';
import { mathOf } from '../../wgsl/math.js';
import { threefry } from '../../wgsl/threefry.js';

/** Second counter words of the uses of a key. */
export const use: { readonly numbers: number; readonly split: number; readonly fold: number } = {
  numbers: 0,
  split: 1,
  fold: 2,
};

/** How an op makes its elements from random words. */
export interface Draw {
  readonly name: string;
  readonly type: 'f32' | 'i32' | 'u32';
  readonly use: number;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  /** `one`: element i from word i (`w`); `two`: elements 2i, 2i + 1 from block i (`w.x`, `w.y`) as a vec2; `block`: element i from block i. */
  readonly form: 'one' | 'two' | 'block';
  /** Text of the element or elements. */
  readonly value: string;
  readonly declare?: string;
}

const WORKGROUP = 64;
const shaders = new Map<string, GpuShader>();

function drawShader(d: Draw): GpuShader {
  let made = shaders.get(d.name);
  if (made !== undefined) return made;
  const store =
    d.form === 'block'
      ? `set_y(i, ${d.value});`
      : d.form === 'two'
        ? `let v = ${d.value}; set_y(2u * i, v.x); if (2u * i + 1u < p.size) { set_y(2u * i + 1u, v.y); }`
        : `set_y(2u * i, value(w.x)); if (2u * i + 1u < p.size) { set_y(2u * i + 1u, value(w.y)); }`;
  const value = d.form === 'one' ? `fn value(w: u32) -> ${d.type} { return ${d.value}; }` : '';
  const declare = `${threefry}\n${d.declare ?? ''}\n${value}`;
  made = shader({
    name: d.name,
    operands: [reads('key', 'u32', 0), writes('y', d.type, 1)],
    params: { size: 'u32', blocks: 'u32', ...d.params },
    workgroup: WORKGROUP,
    declare: mathOf(declare + d.value) + declare,
    main: `if (linear < p.blocks) {
  let i = linear;
  let w = threefry(vec2<u32>(key(0u), key(1u)), vec2<u32>(i, ${d.use}u));
  ${store}
}`,
  });
  shaders.set(d.name, made);
  return made;
}

/** The pass that draws all elements of output 0 from the key, input 0. */
export function drawPass(d: Draw, call: GpuCall<never>, params: readonly number[]): GpuPass | undefined {
  const size = sizeOf(call.outputs[0].shape);
  const blocks = d.form === 'block' ? size : Math.ceil(size / 2);
  if (size === 0) return undefined;
  return { shader: drawShader(d), params: [size, blocks, ...params], workgroups: grid(blocks, WORKGROUP) };
}
