import { IndexError, NumericsError, SeqError, show, sizeOf } from '@seq/tensor';
import type { GpuCall, GpuPass, GpuShader, Node, Op } from '@seq/tensor/engine';
import { siteOf, titleOf } from '@seq/tensor/engine';
import type { Chooser } from './choose.js';
import type { GpuBlock, Place } from './memory.js';
import type { Pipeline, Pipelines } from './pipelines.js';
import type { Queue } from './queue.js';
import { canJoin, membersOf } from './beside.js';
import { joinPasses } from './wgsl/join.js';
import { grid, memo, reads, shader } from './wgsl/index.js';
import { reportWords } from './wgsl/shader.js';

/** A dispatch but for the memory it works on. */
export interface PreparedPass {
  readonly pipeline: Pipeline;
  /** Operand of each binding. */
  readonly operands: readonly number[];
  /** Operands whose places the uniform block begins with. */
  readonly offsets: readonly number[];
  /** The uniform block without the places of operands. */
  readonly words: Uint32Array;
  readonly workgroups: readonly [number, number, number];
  /** What the reports of the shader stand for, in the order of its reporters. */
  readonly reporters: readonly Reporter[];
}

/** A call with its kernel chosen. */
export interface PreparedCall {
  readonly passes: readonly PreparedPass[];
  /** Bytes of each block of scratch memory. */
  readonly scratch: readonly number[];
  readonly data: readonly GpuBlock[];
}

/** The error behind a report, and the operation that makes it; null for that of the whole pass. */
export interface Reporter {
  readonly error: (element: number) => Error;
  readonly node: Node | null;
}

interface Report extends Reporter {
  readonly sequence: number;
}

/** What the runner needs of the device. */
export interface RunnerHost {
  readonly checkNumerics: boolean;
  readonly step: string | null;
  readonly counters: { kernels: number };
  allocateBytes(bytes: number): GpuBlock;
  write(block: GpuBlock, data: Uint8Array): void;
  free(block: GpuBlock): void;
}

/** Turns calls into recorded dispatches, and reports of shaders into errors. */
export class Runner {
  readonly chooser: Chooser;
  readonly #pipelines: Pick<Pipelines, 'get'>;
  readonly #queue: Pick<Queue, 'record' | 'sequence'>;
  readonly #host: RunnerHost;
  #reports: GpuBlock | null = null;
  readonly #reporters = new Array<Report | undefined>(reportWords);
  #nextReport = 0;
  #reported = false;

  constructor(
    host: RunnerHost,
    chooser: Chooser,
    pipelines: Pick<Pipelines, 'get'>,
    queue: Pick<Queue, 'record' | 'sequence'>,
  ) {
    this.#host = host;
    this.chooser = chooser;
    this.#pipelines = pipelines;
    this.#queue = queue;
  }

  /** Chooses the kernel of a call, starts to compile its shaders and uploads its constants. */
  prepare(op: Op, call: GpuCall<unknown>): PreparedCall {
    const { plan } = this.chooser.choose(op, call);
    const { passes, scratch = [], data = [] } = plan;
    const reporter = this.#reporter(op, call, null);
    const prepared = passes.map((pass) => this.#pass(pass, [reporter]));
    if (this.#host.checkNumerics) prepared.push(...this.#checks(op, call));
    return {
      passes: prepared,
      scratch,
      data: data.map((d) => {
        const bytes = new Uint8Array(Math.max(4, Math.ceil(d.byteLength / 4) * 4));
        bytes.set(new Uint8Array(d.buffer, d.byteOffset, d.byteLength));
        const block = this.#host.allocateBytes(bytes.byteLength);
        this.#host.write(block, bytes);
        return block;
      }),
    };
  }

  #reporter(op: Op, call: GpuCall<unknown>, node: Node | null): Reporter {
    const known = this.chooser.kernelsOf(op)?.error;
    const error = (element: number): Error =>
      known === undefined
        ? new IndexError(`${op.name}: the data must be valid, element ${element} is not. Check it.`)
        : known(call, element);
    return { error, node };
  }

  /**
   * Chooses kernels of calls of which parts run side by side, and joins these.
   *
   * Operands are numbered through: those of the first call, then those of the next.
   */
  prepareTogether(
    parts: readonly {
      readonly op: Op;
      readonly call: GpuCall<unknown>;
      readonly places: readonly string[];
      readonly node: Node | null;
      /** Which part of how many. */
      readonly number: number;
      readonly of: number;
    }[],
  ): PreparedPass[] {
    const lists = parts.map(({ op, call, number, of }) => {
      const { passes } = this.chooser.choose(op, call).plan;
      // A plan of other passes than planning saw (memory that is taken over may need none) runs at once.
      return passes.length === of ? [passes[number]] : number === 0 ? passes : [];
    });
    const reporters = parts.map(({ op, call, node }) => this.#reporter(op, call, node));
    const prepared: PreparedPass[] = [];
    for (let k = 0; k < Math.max(...lists.map((l) => l.length)); k++) {
      // Operands keep their numbers whoever takes part.
      const members = membersOf(lists.map((l, i) => ({ pass: l[k], places: parts[i].places })));
      const who = reporters.filter((_, i) => k < lists[i].length);
      const joined = members.length > 1 && canJoin(members, this.chooser.limits) ? joinPasses(members) : null;
      if (joined === null) {
        members.forEach(({ pass, operands }, m) =>
          prepared.push({ ...this.#pass(pass, [who[m]]), operands, offsets: operands }),
        );
      } else {
        const { pass, operands } = joined;
        const own = who.filter((_, m) => members[m].pass.shader.reports);
        prepared.push({ ...this.#pass(pass, own), operands, offsets: operands });
      }
    }
    return prepared;
  }

  #pass({ shader: s, params, workgroups }: GpuPass, reporters: readonly Reporter[]): PreparedPass {
    const pipeline = this.#pipelines.get(s);
    return {
      pipeline,
      operands: s.bindings.map((b) => b.operand),
      offsets: offsetsOf(s),
      words: uniformWords(s, params, pipeline.blockBytes),
      workgroups,
      reporters: s.reports ? reporters : [],
    };
  }

  /** Passes that look for NaN and infinity in the results of a call. */
  #checks(op: Op, { inputs, outputs, attrs }: GpuCall<unknown>): PreparedPass[] {
    return outputs.flatMap(({ dtype, shape }, i) => {
      const n = sizeOf(shape);
      if (dtype !== 'f32' || n === 0) return [];
      const pass = {
        shader: finiteShader(String(inputs.length + i)),
        params: [n],
        workgroups: grid(n, 256),
      };
      const error = (element: number): Error => {
        const { step } = this.#host;
        return new NumericsError(
          `${titleOf(op, attrs)}: values must be finite, element ${element} of ${show(shape)} is not${step === null ? '' : ` (${step})`}. Look at the inputs of this operation; a smaller learning rate or clipping often helps.`,
        );
      };
      return this.#pass(pass, [{ error, node: null }]);
    });
  }

  /** Records one dispatch on the memory of its operands. */
  record(pass: PreparedPass, places: readonly Place[], node: Node | null): void {
    const { pipeline, operands, offsets, workgroups } = pass;
    if (workgroups[0] === 0 || workgroups[1] === 0 || workgroups[2] === 0) return;
    const words = pass.words.slice();
    offsets.forEach((operand, i) => (words[i] += places[operand].offset));
    const blocks = operands.map((operand) => places[operand].block);
    if (pass.reporters.length > 0) {
      words[offsets.length] = this.#nextReport;
      for (const { error, node: own } of pass.reporters) {
        this.#reporters[this.#nextReport] = { error, node: own ?? node, sequence: this.#queue.sequence };
        this.#nextReport = (this.#nextReport + 1) % reportWords;
      }
      this.#reported = true;
      blocks.push(this.#reportBlock());
    }
    this.#host.counters.kernels++;
    this.#queue.record({ kind: 'dispatch', pipeline, blocks, words, workgroups, node });
  }

  #reportBlock(): GpuBlock {
    if (this.#reports === null) {
      this.#reports = this.#host.allocateBytes(reportWords * 4);
      this.#clearReports();
    }
    return this.#reports;
  }

  #clearReports(): void {
    this.#host.write(this.#reports!, new Uint8Array(reportWords * 4));
  }

  /** The block to read when shaders may have reported something since the last look; else null. */
  takeReports(): { readonly block: GpuBlock; readonly bytes: number } | null {
    if (!this.#reported) return null;
    this.#reported = false;
    return { block: this.#reports!, bytes: reportWords * 4 };
  }

  /** The first report among the words read, as an error that says where the operation was recorded. */
  findReport(words: Uint32Array): { error: Error; sequence: number } | null {
    let first: { error: Error; sequence: number } | null = null;
    words.forEach((word, slot) => {
      const reporter = this.#reporters[slot];
      if (word === 0 || reporter === undefined) return;
      if (first !== null && first.sequence < reporter.sequence) return;
      const error = reporter.error(0xffff_ffff - word);
      if (SeqError.is(error)) error.message = located(error.message, reporter.node);
      first = { error, sequence: reporter.sequence };
    });
    if (first !== null) this.#clearReports();
    return first;
  }

  release(block: GpuBlock): void {
    this.#host.free(block);
  }
}

/** A message with the line that recorded the operation. */
export function located(message: string, node: Node | null): string {
  return node?.site ? `${message} Recorded at ${siteOf(node)}.` : message;
}

/** Operands whose places a shader's uniform block begins with. */
export function offsetsOf({ bindings, offsets }: GpuShader): readonly number[] {
  return offsets ?? bindings.map((b) => b.operand);
}

/** The uniform block of a pass, with zeros for the places of operands. */
function uniformWords(s: GpuShader, params: readonly number[], bytes: number): Uint32Array {
  const words = new Uint32Array(bytes / 4);
  const floats = new Float32Array(words.buffer);
  const at = offsetsOf(s).length + (s.reports ? 1 : 0);
  s.params.forEach((type, i) => {
    if (type === 'f32') floats[at + i] = params[i];
    else words[at + i] = params[i];
  });
  return words;
}

const finiteShader = /* @__PURE__ */ memo((operand) =>
  shader({
    name: 'check/finite',
    operands: [reads('x', 'f32', Number(operand))],
    params: { n: 'u32' },
    workgroup: 256,
    reports: true,
    // −∞ is a legal score; NaN and +∞ are not.
    main: `if (linear >= p.n) { return; }
  let bits = bitcast<u32>(x(linear));
  if ((bits & 0x7f800000u) == 0x7f800000u && bits != 0xff800000u) { report(linear); }`,
  }),
);

/** Scratch memory that a call needs, without preparing it. */
export function scratchOf(chooser: Chooser, op: Op, call: GpuCall<unknown>): readonly number[] {
  return chooser.choose(op, call).plan.scratch ?? [];
}
