import type { GpuPass, GpuShader, GpuShaderParts } from '@seq/tensor/engine';
import { grid } from './shader.js';

/** A pass with the numbers that its operands have among those of all passes joined with it. */
export interface Member {
  readonly pass: GpuPass;
  /** For each binding: equal for bindings of the same place in memory. */
  readonly places: readonly string[];
  /** For each binding: its operand among those of all members. */
  readonly operands: readonly number[];
}

const names = /\b(?:fn|const|struct|alias)\s+(\w+)|\bvar<[^>]*>\s+(\w+)/g;
const fields = /\bstruct\s+\w+\s*\{([^}]*)\}/g;
const elementBytes: { readonly [type: string]: number } = { f32: 4, i32: 4, u32: 4, f16: 2 };

/** Bytes of workgroup memory that a text declares, Infinity when they cannot be told. */
export function workgroupBytes({ declare }: GpuShaderParts): number {
  let bytes = 0;
  for (const [, type] of declare.matchAll(/\bvar<workgroup>\s+\w+\s*:\s*([^;]+);/g)) {
    const [, vector, scalar, length] =
      /^(?:array<)?(?:vec(\d)<)?(\w+?)>?(?:,\s*(\d+)u?)?>?$/.exec(type.replace(/\s/g, '')) ?? [];
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

/** Bindings of all members, those that read the same place once, and the name that each binding got. */
function bind(members: readonly Member[]): { bound: Bound[]; called: string[][] } {
  const bound: Bound[] = [];
  const shared = new Map<string, string>();
  const called = members.map(({ pass: { shader }, places, operands }, m) =>
    shader.parts!.bound.map(({ name, type }, i) => {
      const write = shader.bindings[i].access === 'write';
      const id = `${places[i]} ${type}`;
      const known = write ? undefined : shared.get(id);
      if (known !== undefined) return known;
      const own = `m${m}_${name}`;
      bound.push({ name: own, type, write, operand: operands[i] });
      if (!write) shared.set(id, own);
      return own;
    }),
  );
  return { bound, called };
}

/** Number of bindings that passes need when they are joined. */
export function bindingsOf(members: readonly Member[]): number {
  return bind(members).bound.length;
}

/**
 * One pass that does the work of several: the first workgroups that of the first, the next that of the second.
 *
 * The passes must not depend on each other and have workgroups of one size. Every text keeps its own names behind a
 * prefix, and sees its own grid.
 *
 * @returns null when a text cannot be joined: it reports, or its parts are unknown
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
  const counts = grids.map(([x, y, z]) => x * y * z);
  return {
    pass: {
      shader,
      params: [...members.flatMap(({ pass }) => pass.params), ...grids.flat()],
      workgroups: grid(counts.reduce((a, b) => a + b, 0)),
    },
    operands: bound.map((b) => b.operand),
  };
}

function textOf(called: readonly (readonly string[])[]): GpuShader | null {
  const { members, bound } = next!;
  const parts = members.map(({ pass: { shader } }) => (shader.reports ? undefined : shader.parts));
  const bodies: string[] = [];
  const params: [name: string, type: 'u32' | 'i32' | 'f32'][] = [];
  for (const [m, part] of parts.entries()) {
    if (part === undefined) return null;
    const globals = globalsOf(part.declare);
    if (globals === null) return null;
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
      `fn m${m}_main(wid: vec3<u32>, nwg: vec3<u32>, lid: vec3<u32>, lix: u32, sgid: u32, sgsize: u32) {
let gid = wid * vec3<u32>(${x}u, ${y}u, ${z}u) + lid;
${rename(part.main)}
}`,
    );
  }
  members.forEach((_, m) =>
    params.push(...(['x', 'y', 'z'] as const).map((a) => [`g${m}_${a}`, 'u32'] as [string, 'u32'])),
  );
  const first = parts[0]!;
  const subgroups = parts.some((p) => /\bsgid\b|\bsgsize\b|\bsubgroup/.test(p!.main + p!.declare));
  const enable = [...new Set(parts.flatMap((p) => p!.enable))];
  const args = [
    '@builtin(local_invocation_id) lid: vec3<u32>',
    '@builtin(local_invocation_index) lix: u32',
    '@builtin(workgroup_id) place: vec3<u32>',
    '@builtin(num_workgroups) places: vec3<u32>',
    ...(subgroups
      ? ['@builtin(subgroup_invocation_id) sgid: u32', '@builtin(subgroup_size) sgsize: u32']
      : []),
  ];
  const lanes = subgroups ? 'sgid, sgsize' : '0u, 0u';
  const branches = members.map((_, m) => {
    const [x, y, z] = ['x', 'y', 'z'].map((a) => `p.g${m}_${a}`);
    return `let n${m} = ${x} * ${y} * ${z};
if (k${m} < n${m}) {
m${m}_main(vec3<u32>(k${m} % ${x}, k${m} / ${x} % ${y}, k${m} / (${x} * ${y})), vec3<u32>(${x}, ${y}, ${z}), lid, lix, ${lanes});
return;
}
let k${m + 1} = k${m} - n${m};`;
  });
  const uniforms = [
    ...bound.map((b) => `o_${b.name}: u32`),
    ...params.map(([name, type]) => `${name}: ${type}`),
  ];
  const code = [
    ...enable.map((e) => `enable ${e};`),
    `struct Params { ${uniforms.join(', ')} }`,
    '@group(0) @binding(0) var<uniform> p: Params;',
    ...bound.map(
      (b, i) =>
        `@group(0) @binding(${i + 1}) var<storage, ${b.write ? 'read_write' : 'read'}> b_${b.name}: array<${b.type}>;`,
    ),
    ...bodies,
    `@compute @workgroup_size(${first.workgroup.join(', ')})`,
    `fn main(${args.join(', ')}) {
let k0 = place.x + place.y * places.x;
${branches.join('\n')}
}`,
  ].join('\n');
  return {
    name: members.map(({ pass }) => pass.shader.name).join(' | '),
    code,
    bindings: bound.map((b) => ({ access: b.write ? 'write' : 'read', operand: b.operand })),
    params: params.map(([, type]) => type),
    reports: false,
  };
}
