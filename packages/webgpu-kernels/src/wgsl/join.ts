import type { GpuPass, GpuShader, GpuShaderParts } from '@seq/tensor/engine';
import { grid, reportText } from './shader.js';

/** A pass with the numbers that its operands have among those of all passes joined with it. */
export interface Member {
  readonly pass: GpuPass;
  /** For each binding: equal for bindings of the same place in memory. */
  readonly places: readonly string[];
  /** For each binding: its operand among those of all members; the same for members that write parts of one. */
  readonly operands: readonly number[];
}

const names = /\b(?:fn|const|struct|alias)\s+(\w+)|\bvar<[^>]*>\s+(\w+)/g;
const fields = /\bstruct\s+\w+\s*\{([^}]*)\}/g;
const elementBytes: { readonly [type: string]: number } = { f32: 4, i32: 4, u32: 4, f16: 2 };

/** Storage buffers of one more binding where a text reports. */
const ofReports = (members: readonly Member[]): number =>
  members.some((m) => m.pass.shader.reports) ? 1 : 0;

/** Bytes of workgroup memory that a text declares, Infinity when they cannot be told. */
export function workgroupBytes({ declare }: GpuShaderParts): number {
  let bytes = 0;
  for (const [, type] of declare.matchAll(/\bvar<workgroup>\s+\w+\s*:\s*([^;]+);/g)) {
    const [, vector, scalar, length] =
      /^(?:array<)?(?:vec(\d)<)?(\w+?)>?(?:,\s*(\d+)u?)?>?$/.exec(
        type.replace(/\s/g, '').replace(/^atomic<(\w+)>$/, '$1'),
      ) ?? [];
    const one = elementBytes[scalar ?? ''];
    if (one === undefined) return Infinity;
    const width = vector === undefined ? 1 : Number(vector) === 2 ? 2 : 4;
    bytes += one * width * Number(length ?? (type.includes('array') ? NaN : 1));
  }
  return Number.isNaN(bytes) ? Infinity : bytes;
}

/** Names at module scope, or null when one of them is a field of a struct as well. */
function globalsOf(text: string): Set<string> | null {
  const found = new Set([...text.matchAll(names)].map(([, a, b]) => a ?? b));
  for (const [, body] of text.matchAll(fields)) {
    for (const [, field] of body.matchAll(/(\w+)\s*:/g)) if (found.has(field)) return null;
  }
  return found;
}

interface Bound {
  readonly name: string;
  readonly type: string;
  readonly write: boolean;
  readonly operand: number;
}

let next: { readonly members: readonly Member[]; readonly bound: readonly Bound[] } | null = null;
const made = new Map<string, GpuShader | null>();

/** Bindings of all members, those of the same place once, and the name that each binding got. */
function bind(members: readonly Member[]): { bound: Bound[]; called: string[][] } {
  const bound: Bound[] = [];
  const shared = new Map<string, string>();
  const called = members.map(({ pass: { shader }, places, operands }, m) =>
    shader.parts!.bound.map(({ name, type }, i) => {
      const write = shader.bindings[i].access === 'write';
      const id = write ? `${operands[i]}! ${type}` : `${places[i]} ${type}`;
      const known = shared.get(id);
      if (known !== undefined) return known;
      const own = `m${m}_${name}`;
      bound.push({ name: own, type, write, operand: operands[i] });
      shared.set(id, own);
      return own;
    }),
  );
  return { bound, called };
}

const invocations = ({ workgroup: [x, y, z] }: GpuShaderParts): number => x * y * z;

/** True when the invocations of a text do not know of each other, so that any workgroups will do. */
const isLoose = ({ declare, main }: GpuShaderParts): boolean =>
  !/\bworkgroupBarrier\b|\bvar<workgroup>|\bsubgroup|\bsgid\b|\bsgsize\b/.test(declare + main);

/** The workgroup that passes have when they are joined: that of those whose invocations meet; null when these differ. */
export function commonWorkgroup(members: readonly Member[]): readonly [number, number, number] | null {
  const parts = members.map(({ pass }) => pass.shader.parts!);
  const bound = parts.filter((p) => !isLoose(p));
  const [first] = bound.length > 0 ? bound : parts;
  return bound.every((p) => p.workgroup.join() === first.workgroup.join()) ? first.workgroup : null;
}

/** Number of bindings that passes need when they are joined. */
export function bindingsOf(members: readonly Member[]): number {
  return bind(members).bound.length + ofReports(members);
}

/**
 * One pass that does the work of several: the first workgroups that of the first, the next that of the second.
 *
 * The passes must not depend on each other and have workgroups of one size, but for texts whose invocations do not
 * know of each other: their grids are cut anew. Every text keeps its own names behind a prefix, and sees its own grid.
 *
 * Reporting members report behind each other: the first where the joined pass does, the next in the next word.
 *
 * @returns null when a text cannot be joined: its parts are unknown
 */
export function joinPasses(members: readonly Member[]): { pass: GpuPass; operands: number[] } | null {
  const { bound, called } = bind(members);
  const key = members
    .map(({ pass }, m) => `${pass.shader.code}\n// ${called[m].join()}`)
    .join('\n// beside\n');
  let shader = made.get(key);
  if (shader === undefined) {
    next = { members, bound };
    made.set(key, (shader = textOf(called)));
  }
  if (shader === null) return null;
  const grids = members.map(({ pass }) => pass.workgroups);
  const [sx, sy, sz] = commonWorkgroup(members)!;
  const size = sx * sy * sz;
  const counts = members.map(
    ({
      pass: {
        shader: own,
        workgroups: [x, y, z],
      },
    }) => Math.ceil((x * y * z * invocations(own.parts!)) / size),
  );
  return {
    pass: {
      // Equal texts may serve other operands.
      shader: {
        ...shader,
        bindings: bound.map((b) => ({ access: b.write ? 'write' : 'read', operand: b.operand })),
      },
      params: [...members.flatMap(({ pass }) => pass.params), ...grids.flat()],
      workgroups: grid(counts.reduce((a, b) => a + b, 0)),
    },
    operands: bound.map((b) => b.operand),
  };
}

function textOf(called: readonly (readonly string[])[]): GpuShader | null {
  const { members, bound } = next!;
  const parts = members.map(({ pass: { shader } }) => shader.parts);
  let reporters = 0;
  const subgroups = parts.some((p) => p && /\bsgid\b|\bsgsize\b|\bsubgroup/.test(p.main + p.declare));
  const bodies: string[] = [];
  const params: [name: string, type: 'u32' | 'i32' | 'f32'][] = [];
  for (const [m, part] of parts.entries()) {
    if (part === undefined) return null;
    const globals = globalsOf(part.declare);
    if (globals === null) return null;
    const { reports } = members[m].pass.shader;
    if (reports) {
      globals.add('report');
      bodies.push(reportText(`m${m}_report`, reporters++));
    }
    const own = new Map(part.bound.map(({ name }, i) => [name, called[m][i]]));
    const types = members[m].pass.shader.params;
    part.params.forEach((name, i) => params.push([`m${m}_p_${name}`, types[i]]));
    const rename = (text: string): string =>
      text
        .replace(/(?<![\w.])p\.(\w+)/g, (all, field: string) => {
          if (part.params.includes(field)) return `p.m${m}_p_${field}`;
          const binding = field.startsWith('o_') ? own.get(field.slice(2)) : undefined;
          return binding === undefined ? all : `p.o_${binding}`;
        })
        .replace(/(?<![\w.])b_(\w+)/g, (all, name: string) => (own.has(name) ? `b_${own.get(name)}` : all))
        .replace(/(?<![\w.])[A-Za-z_]\w*/g, (name) => (globals.has(name) ? `m${m}_${name}` : name));
    const [x, y, z] = part.workgroup;
    bodies.push(
      rename(part.declare),
      `fn m${m}_main(wid: vec3<u32>, nwg: vec3<u32>, lid: vec3<u32>, lix: u32${subgroups ? ', sgid: u32, sgsize: u32' : ''}) {
let gid = wid * vec3<u32>(${x}u, ${y}u, ${z}u) + lid;
${rename(part.main)}
}`,
    );
  }
  members.forEach((_, m) =>
    params.push(...(['x', 'y', 'z'] as const).map((a) => [`g${m}_${a}`, 'u32'] as [string, 'u32'])),
  );
  const lanes = subgroups ? ', sgid, sgsize' : '';
  const workgroup = commonWorkgroup(members)!;
  const size = workgroup[0] * workgroup[1] * workgroup[2];
  const branches = members.map((_, m) => {
    const [x, y, z] = ['x', 'y', 'z'].map((a) => `p.g${m}_${a}`);
    const call = (k: string, lid: string, lix: string): string =>
      `m${m}_main(vec3<u32>(${k} % ${x}, ${k} / ${x} % ${y}, ${k} / (${x} * ${y})), vec3<u32>(${x}, ${y}, ${z}), ${lid}, ${lix}${lanes});`;
    const own = parts[m]!.workgroup;
    const ownSize = invocations(parts[m]!);
    if (own.join() === workgroup.join()) {
      return `let n${m} = ${x} * ${y} * ${z};
if (k${m} < n${m}) {
${call(`k${m}`, 'lid', 'lix')}
return;
}
let k${m + 1} = k${m} - n${m};`;
    }
    const [ownX, ownY] = own;
    return `let n${m} = (${x} * ${y} * ${z} * ${ownSize}u + ${size - 1}u) / ${size}u;
if (k${m} < n${m}) {
let v = k${m} * ${size}u + lix;
let w = v / ${ownSize}u;
let i = v % ${ownSize}u;
if (w < ${x} * ${y} * ${z}) { ${call('w', `vec3<u32>(i % ${ownX}u, i / ${ownX}u % ${ownY}u, i / ${ownX * ownY}u)`, 'i')} }
return;
}
let k${m + 1} = k${m} - n${m};`;
  });
  return assemble(
    members.map(({ pass }) => pass.shader.name).join(' | '),
    bound,
    {
      workgroup,
      enable: [...new Set(parts.flatMap((p) => p!.enable))],
      bound: bound.map(({ name, type }) => ({ name, type })),
      params: params.map(([name]) => name),
      declare: bodies.join('\n'),
      main: `let k0 = wid.x + wid.y * nwg.x;\n${branches.join('\n')}`,
    },
    params.map(([, type]) => type),
    { subgroups, reports: reporters > 0 },
  );
}

/** A shader from its parts. */
function assemble(
  name: string,
  bound: readonly Bound[],
  parts: GpuShaderParts,
  params: readonly ('u32' | 'i32' | 'f32')[],
  { subgroups, reports }: { subgroups: boolean; reports: boolean },
): GpuShader {
  const uniforms = [
    ...bound.map((b) => `o_${b.name}: u32`),
    ...(reports ? ['o_report: u32'] : []),
    ...parts.params.map((param, i) => `${param}: ${params[i]}`),
  ];
  const args = [
    '@builtin(local_invocation_id) lid: vec3<u32>',
    '@builtin(local_invocation_index) lix: u32',
    '@builtin(workgroup_id) wid: vec3<u32>',
    '@builtin(num_workgroups) nwg: vec3<u32>',
    ...(subgroups
      ? ['@builtin(subgroup_invocation_id) sgid: u32', '@builtin(subgroup_size) sgsize: u32']
      : []),
  ];
  const code = [
    ...parts.enable.map((e) => `enable ${e};`),
    `struct Params { ${uniforms.join(', ')} }`,
    '@group(0) @binding(0) var<uniform> p: Params;',
    ...bound.map(
      (b, i) =>
        `@group(0) @binding(${i + 1}) var<storage, ${b.write ? 'read_write' : 'read'}> b_${b.name}: array<${b.type}>;`,
    ),
    ...(reports
      ? [`@group(0) @binding(${bound.length + 1}) var<storage, read_write> b_report: array<atomic<u32>>;`]
      : []),
    parts.declare,
    `@compute @workgroup_size(${parts.workgroup.join(', ')})`,
    `fn main(${args.join(', ')}) {\n${parts.main}\n}`,
  ].join('\n');
  const bindings = bound.map((b) => ({ access: b.write ? 'write' : 'read', operand: b.operand }) as const);
  // What reports has words of its own, so that it is joined once.
  return { name, code, bindings, params, reports, parts: reports ? undefined : parts };
}

/**
 * Passes of one call that do not need each other, in as few dispatches as the bindings allow. Where several write one
 * operand they write different elements of it, by the same type.
 */
export function besideEachOther(passes: readonly GpuPass[], storageBuffers: number): GpuPass[] {
  const groups: Member[][] = [];
  for (const pass of passes) {
    const operands = pass.shader.bindings.map((b) => b.operand);
    const member = { pass, operands, places: operands.map(String) };
    const last = groups.at(-1);
    if (last !== undefined && bindingsOf([...last, member]) <= storageBuffers) last.push(member);
    else groups.push([member]);
  }
  return groups.flatMap((members) =>
    members.length === 1 ? members[0].pass : (joinPasses(members)?.pass ?? members.map((m) => m.pass)),
  );
}
