import type { Device } from './device.js';
import { defaultDevice } from './devices.js';
import type { Shape } from './engine/dtype.js';
import { sizeOf } from './engine/dtype.js';
import { DeviceError, MemoryError, OptionError, StateError } from './engine/errors.js';
import { evalGraph } from './engine/graph.js';
import { isContiguous } from './engine/layout.js';
import type { Executable, Program } from './engine/program.js';
import { planProgram } from './engine/program.js';
import { simplify, splitConstants } from './engine/simplify.js';
import { state, withoutTapes } from './engine/state.js';
import type { Value } from './engine/value.js';
import { trace } from './grad.js';
import type { Traced } from './grad.js';
import type { Plan } from './plan.js';
import { largest, reportOf } from './plan.js';
import { scope } from './scope.js';
import { Tensor } from './tensor.js';
import { isBranch, treeLeaves } from './tree.js';

/** Options of `compile`. */
export interface CompileOptions {
  /** Positions of arguments that are moved in: their handles die, their memory is used for results. */
  donate?: readonly number[];
  /** Largest `peakBytes` of a plan; a larger one is refused before anything runs. */
  memoryBudget?: number;
  /** Shown in messages; default the function's name. */
  name?: string;
}

/** A function that makes a plan once per shapes of its arguments and replays it. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: A): R;
  /** The plan for these arguments; runs nothing and moves nothing. */
  plan(...args: A): Plan;
  /**
   * Makes the plan for these arguments and takes its memory; runs nothing and moves nothing. A call after it asks for
   * no more, so want of memory shows here, while the arguments are what they were.
   *
   * @throws MemoryError  a plan beyond `memoryBudget`; memory that the device does not grant
   */
  reserve(...args: A): Promise<void>;
  /** Lets go of all plans and their memory. */
  dispose(): void;
}

interface Entry<R> {
  readonly traced: Traced<R>;
  readonly program: Program;
  readonly executable: Executable;
  /** Tensors that the function closed over, and what depends on no argument; held as long as the plan. */
  readonly captured: Tensor[];
}

/**
 * Makes a plan of a function once and replays it: memory assigned by liveness, nothing recorded again. What depends
 * on no argument (masks, tables) is computed when the plan is made.
 *
 * A call with other shapes, element types or plain values (numbers, strings) in the arguments makes another
 * plan. Everything that changes from call to call must therefore be a tensor. Under a gradient or inside
 * another recording the function is simply called.
 *
 * @param f  pure function of trees of tensors
 * @throws MemoryError when the plan exceeds `memoryBudget`; what f throws
 */
export function compile<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  { donate = [], memoryBudget = Infinity, name = f.name || 'compile' }: CompileOptions = {},
): Compiled<A, R> {
  const entries = new Map<string, Entry<R>>();
  const devices = new Map<Device, number>();

  const prepare = (args: A, leaves: readonly Tensor[] = treeLeaves(args)): Entry<R> => {
    for (const i of donate) {
      if (!Number.isInteger(i) || i < 0 || i >= Math.max(args.length, 1)) {
        throw new OptionError(
          `${name}: donate must name argument positions 0 … ${args.length - 1}, got ${i}.`,
        );
      }
    }
    const device = deviceOf(name, leaves);
    if (!devices.has(device)) devices.set(device, devices.size);
    const id = `${devices.get(device)}|${signature(name, args)}`;
    let entry = entries.get(id);
    if (entry === undefined) {
      const traced = withoutTapes(() => trace(device, f, args));
      const donated = args.flatMap((a, i) =>
        treeLeaves(a).map(() => donate.includes(i) && !device.checkNumerics),
      );
      const { graph, constants } = splitConstants(simplify(traced.graph));
      const program = planProgram(graph, donated);
      if (program.peakBytes > memoryBudget) {
        throw new MemoryError(
          `${name}: the plan must fit memoryBudget = ${memoryBudget} bytes, it needs ${program.peakBytes} ` +
            `(${program.inputBytes} arguments, ${program.outputBytes} results, ${program.arenaBytes} temporaries). ` +
            `Shrink the batch or the length, or use checkpoint(). Largest: ${largest(program)}.`,
        );
      }
      const { blockLimit = Infinity } = device.planning;
      const widest = Math.max(0, ...program.blocks, ...program.slots.map((s) => s.bytes));
      if (widest > blockLimit) {
        throw new MemoryError(
          `${name}: every block of the plan must fit the ${blockLimit} bytes that ${device.name} binds at once, one needs ${widest}. ` +
            `Shrink the batch or the length. Largest: ${largest(program)}.`,
        );
      }
      const computed = withoutTapes(() => evalGraph(constants, [], (v) => new Tensor(v)));
      const captured = [...traced.graph.captured.map((v) => new Tensor(v)), ...computed];
      for (const t of captured) unscope(t);
      entry = { traced, program, executable: device.load(program), captured };
      entries.set(id, entry);
    }
    return entry;
  };

  const call = (...args: A): R => {
    if (state.trace !== null || state.tapes.length > 0) return f(...args);
    return scope(() => {
      const byArgument = args.map(treeLeaves);
      const leaves = byArgument.flat();
      const entry = prepare(args, leaves);
      const { traced, executable, captured } = entry;
      const device = traced.graph.device;
      device.flush();
      const handles = [...leaves, ...captured];
      const given = handles.map((t) => t.use(name));
      const uses = new Map<unknown, number>();
      for (const { storage } of given) uses.set(storage, (uses.get(storage) ?? 0) + 1);
      const values = given.map((v, i) => {
        const overwritten = entry.program.overwrittenAt[i] !== Infinity;
        return fits(v, overwritten, uses.get(v.storage)! > 1) ? v : handles[i].contiguous().use(name);
      });
      device.flush();
      for (const v of values) if (v.storage.error !== null) throw v.storage.error;
      const kill = (t: Tensor, why: string): void =>
        t.kill(() => new StateError('state-moved', `${name}: ${why}`));
      let outputs: Tensor[];
      try {
        outputs = executable.run(values).map((v) => new Tensor(v));
      } catch (error) {
        // What was not touched stays alive; what was overwritten must not pass for what it was.
        leaves.forEach((t, i) => {
          const own = values[i].storage === t.use(name).storage;
          if (own && entry.program.overwrittenAt[i] <= executable.failedAt) {
            kill(
              t,
              'this tensor was moved into a call that failed after it had begun to overwrite it. Go on from a copy: cloneTree() before the call, or a checkpoint.',
            );
          }
        });
        throw error;
      }
      for (const i of donate) {
        for (const t of byArgument[i] ?? [])
          kill(
            t,
            'this tensor was moved into an earlier call (donate). Use the value that the call returned, or cloneTree() before it.',
          );
      }
      return traced.rebuild(outputs);
    });
  };

  return Object.assign(call, {
    plan: (...args: A): Plan =>
      scope(() => {
        const { program, traced } = prepare(args);
        return reportOf(program, traced.graph.device.planning);
      }),
    reserve: async (...args: A): Promise<void> => {
      const { executable, captured } = scope(() => prepare(args));
      await Promise.all([...treeLeaves(args), ...captured].map((t) => t.realize()));
      await executable.reserve?.();
    },
    dispose: (): void => {
      for (const e of entries.values()) {
        e.executable.dispose();
        for (const t of e.captured) t.dispose();
      }
      entries.clear();
    },
  });
}

/** Takes a handle out of the open scope: it lives until disposed. */
function unscope(t: Tensor): void {
  const scopeHandles = state.scopes[state.scopes.length - 1];
  const i = scopeHandles?.lastIndexOf(t) ?? -1;
  if (i >= 0) scopeHandles.splice(i, 1);
}

/**
 * Whether a program can take an argument as it is: contiguous. One whose memory the program takes over must also fill its
 * storage and have no other reader; otherwise it is copied first.
 */
function fits(v: Value, overwritten: boolean, shared: boolean): boolean {
  if (!isContiguous(v)) return false;
  return (
    !overwritten ||
    (!shared && v.storage.refs === 1 && v.offset === 0 && sizeOf(v.shape) === v.storage.length)
  );
}

/** The device of a call's tensors. */
export function deviceOf(name: string, leaves: readonly Tensor[]): Device {
  const device = leaves[0]?.device ?? defaultDevice();
  for (const t of leaves) {
    t.use(name);
    if (t.device !== device) {
      throw new DeviceError(
        `${name}: all tensors must live on one device, got ${device.name} and ${t.device.name}.`,
      );
    }
  }
  return device;
}

/** Texts that calls ask for again and again. */
const keyTexts = /* @__PURE__ */ new Map<string, string>();
const shapeTexts = /* @__PURE__ */ new WeakMap<Shape, string>();

function keyText(key: string): string {
  let text = keyTexts.get(key);
  if (text === undefined) keyTexts.set(key, (text = `${JSON.stringify(key)}:`));
  return text;
}

function shapeText(shape: Shape): string {
  let text = shapeTexts.get(shape);
  if (text === undefined) shapeTexts.set(shape, (text = shape.join()));
  return text;
}

/** Structure, shapes, element types and plain values of arguments, by a walk that every call makes. */
function signature(name: string, args: readonly unknown[]): string {
  const walk = (node: unknown, at: string | number): string => {
    if (node instanceof Tensor) return `<${node.dtype}:${shapeText(node.shape)}>`;
    if (Array.isArray(node)) return `[${node.map(walk).join()}]`;
    if (isBranch(node)) {
      let text = '{';
      for (const [key, value] of Object.entries(node)) text += `${keyText(key)}${walk(value, key)},`;
      return text;
    }
    if (typeof node === 'function' || typeof node === 'symbol' || typeof node === 'bigint') {
      throw new OptionError(
        `${name}: arguments must be tensors and plain values, got a ${typeof node}${at === '' ? '' : ` at "${at}"`}. Close over it instead.`,
      );
    }
    return typeof node === 'string' || (typeof node === 'object' && node !== null)
      ? JSON.stringify(node, (key, value: unknown) => (key === '' ? value : walk(value, key)))
      : String(node);
  };
  return walk(args, '');
}

/** Whether `compile` has made a function. */
export function isCompiled<A extends readonly unknown[], R>(f: (...args: A) => R): f is Compiled<A, R> {
  return 'plan' in f && typeof f.plan === 'function';
}

/**
 * The plan of a function for these arguments: kernels, FLOPs, bytes moved, peak bytes. Runs nothing; `profile` does, and
 * adds times.
 */
export function explain<A extends readonly unknown[], R>(f: (...args: A) => R, ...args: A): Plan {
  if (isCompiled(f)) return f.plan(...args);
  return scope(() => {
    const traced = withoutTapes(() => trace(deviceOf('explain', treeLeaves(args)), f, args));
    return reportOf(planProgram(traced.graph), traced.graph.device.planning);
  });
}
