import type { DType, Shape, TypedArray } from './dtype.js';

// What a WebGPU kernel is, as data: an op's owner writes it, a device runs it. Nothing here touches a GPU.

/** What the kernels may know of a device. */
export interface GpuLimits {
  /** Storage buffers of one dispatch, at least 8. */
  readonly storageBuffers: number;
  /** Invocations of one workgroup, at least 256. */
  readonly invocations: number;
  /** Bytes of workgroup memory, at least 16,384. */
  readonly workgroupBytes: number;
  /** Workgroups along one dimension, at least 65,535. */
  readonly workgroups: number;
  /** Bytes of one binding, at least 128 MiB. */
  readonly bindingBytes: number;
  /** True when shaders may use f16; otherwise the device refuses f16 tensors. */
  readonly f16: boolean;
  /** Smallest subgroup, 0 where shaders have no subgroups. */
  readonly subgroupSize: number;
  /** True for an adapter that is a program on the CPU: what suits a real GPU may lose there. */
  readonly software: boolean;
}

/** One operand of a kernel. Elements are counted from where the operand begins, which the device adds. */
export interface GpuView {
  readonly dtype: DType;
  readonly shape: Shape;
  /** In elements; row-major unless the kernel says `strided`. */
  readonly strides: readonly number[];
  /** A number that divides the place, in elements, where the operand begins: 4 allows vec4 access. */
  readonly aligned: number;
}

/** A call as a kernel sees it: layouts and attributes, no data. */
export interface GpuCall<A> {
  readonly inputs: readonly GpuView[];
  readonly outputs: readonly GpuView[];
  readonly attrs: A;
  /** For each input the output whose memory it is, or −1; never set unless the kernels name `inplace` pairs. */
  readonly alias: readonly number[];
  /**
   * For each operand, inputs then outputs, the first one that lies in the same buffer; only told to kernels with
   * `packs`. Absent where each lies in a buffer of its own, but for aliases.
   */
  readonly buffers?: readonly number[];
}

/** How a shader sees one of its bindings. */
export interface GpuBinding {
  readonly access: 'read' | 'write';
  /** Which operand it is: inputs count from 0, then outputs, scratch, data. */
  readonly operand: number;
}

/**
 * A compute shader with the shape of its bindings. `@group(0)`: binding 0 is the uniform block, 1 … n are the
 * storage buffers.
 *
 * The uniform block begins with one u32 per binding, the element where that operand begins, followed by `params`.
 * Operands in one buffer may share a binding; `offsets` then names the operands that the block begins with.
 * Shaders are kept by their text: the same text is compiled once per device.
 */
export interface GpuShader {
  readonly name: string;
  readonly code: string;
  readonly bindings: readonly GpuBinding[];
  /** Operands whose places the uniform block begins with; absent where these are the operands of the bindings. */
  readonly offsets?: readonly number[];
  /** Types of the numbers behind the offsets in the uniform block. */
  readonly params: readonly ('u32' | 'i32' | 'f32')[];
  /**
   * True when the shader reports bad data: it then has one more binding, an array of atomic u32, whose word
   * becomes 2³² − 1 − (first bad element). Its place comes behind the offsets of the other bindings.
   */
  readonly reports: boolean;
  /** What the text was put together from, for devices that join shaders which may run side by side. */
  readonly parts?: GpuShaderParts | undefined;
}

/** The pieces of a shader's text. */
export interface GpuShaderParts {
  readonly workgroup: readonly [number, number, number];
  readonly enable: readonly string[];
  /** Names and element types of the bindings: `b_name` is the array, `p.o_name` its first element. */
  readonly bound: readonly { readonly name: string; readonly type: string }[];
  /** Names of `GpuShader.params`: `p.name` in the text. */
  readonly params: readonly string[];
  /** Everything at module scope beside the bindings and the uniform block. */
  readonly declare: string;
  /** The body of `main`, which may use the built-in values wid, nwg, lid, lix, gid, sgid and sgsize. */
  readonly main: string;
}

/** One dispatch. */
export interface GpuPass {
  readonly shader: GpuShader;
  readonly params: readonly number[];
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** Dispatches in order, and the scratch memory they share. */
export interface GpuPlan {
  readonly passes: readonly GpuPass[];
  /** Bytes of each block of scratch memory. */
  readonly scratch?: readonly number[];
  /** Constant operands, uploaded when the plan is made. */
  readonly data?: readonly TypedArray[];
}

/** One way to compute an op. */
export interface GpuVariant<A> {
  readonly name: string;
  /** True, or why these operands or this device are not for it. */
  supports(call: GpuCall<A>, limits: GpuLimits): true | string;
  plan(call: GpuCall<A>, limits: GpuLimits): GpuPlan;
}

/** The kernels of an op, best first; the last should fit the floor of WebGPU. */
export interface GpuKernels<A> {
  readonly variants: readonly GpuVariant<A>[];
  /** True when inputs may have any strides (0 included); otherwise they come row-major. */
  readonly strided?: boolean;
  /** Pairs [output, input] that may share memory: element i is read before element i is written, by one invocation. */
  readonly inplace?: readonly (readonly [output: number, input: number])[];
  /**
   * Lists of inputs that a plan should keep in one buffer each, so that a dispatch of many tensors binds few. Kernels
   * that only make use of such neighbours say `[]`.
   */
  readonly packs?: readonly (readonly number[])[];
  /** The error that a shader's report stands for; `element` is the first bad one. */
  error?(call: GpuCall<A>, element: number): Error;
}
