import type { GpuShader } from '@seq/tensor/engine';

/**
 * How the elements of an operand lie in memory. `bool` takes a word per element; `…x4` is four elements read or
 * written at once, where the operand is aligned to 4 and its rows are whole.
 */
export type Element = 'f32' | 'i32' | 'u32' | 'bool' | 'f16' | 'f32x4' | 'i32x4' | 'u32x4' | 'f16x4';

/** One operand of a shader. */
export interface Operand {
  readonly name: string;
  readonly type: Element;
  /** Inputs count from 0, then outputs, then scratch, then data. */
  readonly operand: number;
  readonly access: 'read' | 'write';
}

/** An operand that is only read: in the shader `name(i)` is its element i. */
export function reads(name: string, type: Element, operand: number): Operand {
  return { name, type, operand, access: 'read' };
}

/** An operand that is written: `set_name(i, value)`; `name(i)` reads it. */
export function writes(name: string, type: Element, operand: number): Operand {
  return { name, type, operand, access: 'write' };
}

/** A shader before its bindings are spelled out. */
export interface ShaderSpec {
  /** Shown in messages and profiles. */
  readonly name: string;
  readonly operands: readonly Operand[];
  /** Numbers that change without a new shader: `p.name` in the text. */
  readonly params?: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  /** Invocations of a workgroup; `WG` in the text is their number. */
  readonly workgroup: number | readonly [number, number, number];
  /** Declarations and functions before `main`. */
  readonly declare?: string;
  /**
   * Body of `main`. It may use gid (global id), lid (local id), lix (local index), wid (workgroup id), nwg (number of
   * workgroups), sgid (place in the subgroup) and sgsize; `linear` is the index of the invocation and `group` that of
   * the workgroup in a grid made by `grid()`.
   */
  readonly main: string;
  /** `report(element)` notes the first bad element; the kernels' `error` says what it means. */
  readonly reports?: boolean;
  /** Extensions to enable beside f16, which follows from the operands. */
  readonly enable?: readonly 'subgroups'[];
  /** For each input the output whose memory it is, or −1: as `GpuCall.alias`. Only read inputs may be aliased. */
  readonly alias?: readonly number[];
  /** As `GpuCall.buffers`: operands of one type in one buffer then share a binding. */
  readonly buffers?: readonly number[] | undefined;
}

const stored: { readonly [T in Element]: string } = {
  f32: 'f32',
  i32: 'i32',
  u32: 'u32',
  bool: 'u32',
  f16: 'f16',
  f32x4: 'vec4<f32>',
  i32x4: 'vec4<i32>',
  u32x4: 'vec4<u32>',
  f16x4: 'vec4<f16>',
};

/** Words of WGSL, in use or kept for later, that a name of an operand or a parameter could be. */
const reserved = /* @__PURE__ */ new Set(
  (
    'alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let ' +
    'loop override requires return struct switch true var while NULL Self abstract active alignas alignof as asm ' +
    'asm_fragment async attribute auto await become cast catch class co_await co_return co_yield coherent column_major ' +
    'common compile compile_fragment concept const_cast consteval constexpr constinit crate debugger decltype delete ' +
    'demote demote_to_helper do dynamic_cast enum explicit export extends extern external fallthrough filter final ' +
    'finally friend from fxgroup get goto groupshared highp impl implements import inline instanceof interface layout ' +
    'lowp macro macro_rules match mediump meta mod module move mut mutable namespace new nil noexcept noinline ' +
    'nointerpolation non_coherent noncoherent noperspective null nullptr of operator package packoffset partition pass ' +
    'patch pixelfragment precise precision premerge priv protected pub public readonly ref regardless register ' +
    'reinterpret_cast require resource restrict self set shared sizeof smooth snorm static static_assert static_cast std ' +
    'subroutine super target template this thread_local throw trait try type typedef typeid typename typeof union unless ' +
    'unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly yield'
  ).split(' '),
);

/** Refuses names that no shader may have: the driver's own message would name neither the kernel nor the remedy. */
function checkNames(shaderName: string, names: readonly string[]): void {
  for (const name of names) {
    if (reserved.has(name) || !/^[A-Za-z][A-Za-z0-9_]*$/.test(name) || name.includes('__'))
      throw new TypeError(
        `shader ${shaderName}: names of operands and parameters must be free names of WGSL, got '${name}'. Choose another word.`,
      );
    if (names.indexOf(name) !== names.lastIndexOf(name))
      throw new TypeError(
        `shader ${shaderName}: names of operands and of parameters must differ among themselves, got '${name}' twice.`,
      );
  }
}

/** The type an element has in the text: f16 is computed with as f32. */
function valueType(t: Element): string {
  return t === 'bool' ? 'bool' : t === 'f16' ? 'f32' : t === 'f16x4' ? 'vec4<f32>' : stored[t];
}

function loaded(t: Element, x: string): string {
  return t === 'bool' ? `${x} != 0u` : t === 'f16' ? `f32(${x})` : t === 'f16x4' ? `vec4<f32>(${x})` : x;
}

function storable(t: Element, v: string): string {
  return t === 'bool'
    ? `select(0u, 1u, ${v})`
    : t === 'f16'
      ? `f16(${v})`
      : t === 'f16x4'
        ? `vec4<f16>(${v})`
        : v;
}

/** Words for reports; passes that report take them in turn. */
export const reportWords = 1024;

/** A function that notes the first bad element, in the k-th word behind that of the pass. */
export function reportText(name: string, k: number): string {
  const word = k === 0 ? 'p.o_report' : `(p.o_report + ${k}u) % ${reportWords}u`;
  return `fn ${name}(element: u32) { atomicMax(&b_report[${word}], 0xffffffffu - element); }`;
}

const builtins: readonly (readonly [name: string, type: string, builtin: string])[] = [
  ['gid', 'vec3<u32>', 'global_invocation_id'],
  ['lid', 'vec3<u32>', 'local_invocation_id'],
  ['lix', 'u32', 'local_invocation_index'],
  ['wid', 'vec3<u32>', 'workgroup_id'],
  ['nwg', 'vec3<u32>', 'num_workgroups'],
  ['sgid', 'u32', 'subgroup_invocation_id'],
  ['sgsize', 'u32', 'subgroup_size'],
];

/**
 * Spells a shader out: uniform block, bindings, an accessor per operand, `main`.
 *
 * An input that shares the memory of an output has no binding of its own: its accessor reads the output's.
 *
 * @throws TypeError  a name that is a word of WGSL, or one given twice
 */
export function shader(spec: ShaderSpec): GpuShader {
  const {
    name,
    operands,
    params = {},
    workgroup,
    declare = '',
    main,
    reports = false,
    enable = [],
    alias = [],
    buffers,
  } = spec;
  checkNames(
    name,
    operands.map((o) => o.name),
  );
  checkNames(name, Object.keys(params));
  const inputs = alias.length;
  const size = typeof workgroup === 'number' ? ([workgroup, 1, 1] as const) : workgroup;
  const invocations = size[0] * size[1] * size[2];
  const home = (o: Operand): Operand => {
    const to = o.access === 'read' && o.operand < inputs ? (alias[o.operand] ?? -1) : -1;
    return to === -1 ? o : operands.find((w) => w.access === 'write' && w.operand === inputs + to)!;
  };
  /** Operands with a place of their own, and those with a binding of their own. */
  const placed = operands.filter((o) => home(o) === o);
  const bindingOf = (o: Operand): Operand => {
    const buffer = buffers?.[o.operand];
    if (buffer === undefined) return o;
    const same = placed.filter((x) => buffers![x.operand] === buffer && stored[x.type] === stored[o.type]);
    return same.find((x) => x.access === 'write') ?? same[0];
  };
  const bound = placed.filter((o) => bindingOf(o) === o);

  const enabled = [...(operands.some((o) => o.type.startsWith('f16')) ? ['f16'] : []), ...enable];
  const lines = enabled.map((e) => `enable ${e};`);
  const own: string[] = [];
  const fields = [
    ...placed.map((o) => `o_${o.name}: u32`),
    ...(reports ? ['o_report: u32'] : []),
    ...Object.entries(params).map(([k, t]) => `${k}: ${t}`),
  ];
  lines.push(`struct Params { ${fields.join(', ')} }`, '@group(0) @binding(0) var<uniform> p: Params;');
  bound.forEach((o, i) => {
    const mode = o.access === 'read' ? 'read' : 'read_write';
    lines.push(`@group(0) @binding(${i + 1}) var<storage, ${mode}> b_${o.name}: array<${stored[o.type]}>;`);
  });
  if (reports) {
    lines.push(
      `@group(0) @binding(${bound.length + 1}) var<storage, read_write> b_report: array<atomic<u32>>;`,
      reportText('report', 0),
    );
  }
  for (const o of operands) {
    const h = home(o);
    const { name: memory } = bindingOf(h);
    const at = o.type.endsWith('x4')
      ? `b_${memory}[(p.o_${h.name} >> 2u) + i]`
      : `b_${memory}[p.o_${h.name} + i]`;
    const bits = stored[h.type] === stored[o.type] ? at : `bitcast<${stored[o.type]}>(${at})`;
    own.push(`fn ${o.name}(i: u32) -> ${valueType(o.type)} { return ${loaded(o.type, bits)}; }`);
    if (o.access === 'write') {
      own.push(`fn set_${o.name}(i: u32, v: ${valueType(o.type)}) { ${at} = ${storable(o.type, 'v')}; }`);
    }
  }
  own.push(`const WG = ${invocations}u;`, declare);

  lines.push(...own);

  const body =
    (/\bgroup\b|\blinear\b/.test(main) ? 'let group = wid.x + wid.y * nwg.x;\n' : '') +
    (/\blinear\b/.test(main) ? 'let linear = group * WG + lix;\n' : '') +
    main;
  const used = builtins.filter(([b]) => new RegExp(`\\b${b}\\b`).test(body));
  const args = used.map(([b, type, builtin]) => `@builtin(${builtin}) ${b}: ${type}`);
  lines.push(`@compute @workgroup_size(${size.join(', ')})`, `fn main(${args.join(', ')}) {\n${body}\n}`);
  return {
    name,
    code: lines.join('\n'),
    bindings: bound.map(({ access, operand }) => ({ access, operand })),
    offsets: placed.map(({ operand }) => operand),
    params: Object.values(params),
    reports,
    parts:
      bound.length < placed.length
        ? undefined
        : {
            workgroup: size,
            enable: enabled,
            bound: bound.map((o) => ({ name: o.name, type: stored[o.type] })),
            params: Object.keys(params),
            declare: own.join('\n'),
            main: body,
          },
  };
}

/** Workgroups along one dimension that every device allows. */
export const maxWorkgroups: number = 65_535;

/**
 * A grid of at least ⌈n / per⌉ workgroups within the limits of every device. The last row may be longer than
 * needed, so a shader compares `linear` or `group` with the true number.
 */
export function grid(n: number, per: number = 1): [number, number, number] {
  const groups = Math.ceil(n / per);
  if (groups <= maxWorkgroups) return [groups, 1, 1];
  const y = Math.ceil(groups / maxWorkgroups);
  return [Math.ceil(groups / y), y, 1];
}

/** Keeps what a function made for the same key, so that equal shaders are one object with one text. */
export function memo<T>(make: (key: string) => T): (key: string) => T {
  const kept = new Map<string, T>();
  return (key) => {
    let value = kept.get(key);
    if (value === undefined) kept.set(key, (value = make(key)));
    return value;
  };
}
