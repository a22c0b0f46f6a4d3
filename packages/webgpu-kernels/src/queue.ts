import type { Node } from '@seq/tensor/engine';
import { usage } from './constants.js';
import type { GpuBlock } from './memory.js';
import type { Pipeline } from './pipelines.js';
import type { Timer } from './timer.js';
import { patient } from './patient.js';

/** Something to run: a dispatch, or data to be moved. */
export type Command = Dispatch | Write | Copy;

export interface Dispatch {
  readonly kind: 'dispatch';
  readonly pipeline: Pipeline;
  /** Storage buffers in the order of the shader's bindings. */
  readonly blocks: readonly GpuBlock[];
  /** The uniform block: offsets, then parameters. */
  readonly words: Uint32Array;
  readonly workgroups: readonly [number, number, number];
  readonly node: Node | null;
}

export interface Write {
  readonly kind: 'write';
  readonly to: GpuBlock;
  readonly data: Uint8Array;
}

export interface Copy {
  readonly kind: 'copy';
  readonly from: GpuBlock;
  readonly fromByte: number;
  readonly to: GPUBuffer;
  readonly toByte: number;
  readonly bytes: number;
}

/** What the queue has given to the GPU. */
export interface QueueCounters {
  dispatches: number;
  submits: number;
  bindGroups: number;
}

/** What the queue tells the device. */
export interface QueueHost {
  /** A command could not run; commands from `sequence` on have no meaning. */
  onFailure(error: unknown, node: Node | null, sequence: number): void;
  /** The driver refused something in commands first … last. */
  onRefused(message: string, commands: readonly Submitted[]): void;
}

/** A dispatch of a window, for messages. */
export interface Submitted {
  readonly label: string;
  readonly node: Node | null;
  readonly sequence: number;
}

/** Bytes between uniform blocks: what every device allows as a dynamic offset. */
const stride = 256;
/** Uniform blocks of one submission. */
const window = 512;
/** Bind groups kept for reuse. */
const keptGroups = 4096;

/**
 * Commands in order. They are encoded as soon as their pipelines are compiled, and submitted in windows.
 *
 * Uniform blocks of a window lie in one buffer, written just before the window is submitted; the driver orders both.
 */
export class Queue {
  readonly counters: QueueCounters = { dispatches: 0, submits: 0, bindGroups: 0 };
  /** While it is set every dispatch is a pass of its own, whose time it takes. */
  timer: Timer | null = null;
  readonly #gpu: GPUDevice;
  readonly #host: QueueHost;
  readonly #commands: Command[] = [];
  #head = 0;
  /** Number of the next command to be recorded, encoded, submitted. */
  #recorded = 0;
  #encoded = 0;
  #submitted = 0;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #current: GPUComputePipeline | null = null;
  readonly #uniforms: GPUBuffer;
  readonly #words = new Uint32Array((window * stride) / 4);
  #slots = 0;
  #window: Submitted[] = [];
  #groups = new Map<string, GPUBindGroup>();
  #retired: GpuBlock[] = [];
  #pumping: Promise<void> | null = null;
  readonly #scopes = new Set<Promise<unknown>>();

  constructor(gpu: GPUDevice, host: QueueHost) {
    this.#gpu = gpu;
    this.#host = host;
    this.#uniforms = gpu.createBuffer({
      label: 'uniform blocks',
      size: window * stride,
      usage: usage.uniform | usage.copyTarget,
    });
  }

  /** Number of the next command. */
  get sequence(): number {
    return this.#recorded;
  }

  /** Number of the first command that was not submitted. */
  get unsubmitted(): number {
    return this.#submitted;
  }

  /** True when no command before this one waits for being submitted. */
  isSubmitted(sequence: number): boolean {
    return sequence < this.#submitted;
  }

  record(command: Command): void {
    const n = this.#recorded++;
    switch (command.kind) {
      case 'dispatch':
        for (const b of command.blocks) b.lastUse = n;
        break;
      case 'write':
        command.to.lastUse = n;
        break;
      case 'copy':
        command.from.lastUse = n;
    }
    this.#commands.push(command);
  }

  /** Destroys a block when nothing that is recorded needs it. */
  retire(block: GpuBlock): void {
    if (this.isSubmitted(block.lastUse)) block.buffer.destroy();
    else this.#retired.push(block);
  }

  /** Encodes what can be encoded now; the rest follows when its pipelines are compiled. */
  pump(): void {
    this.#pumping ??= this.#advance();
  }

  #advance(): Promise<void> | null {
    while (this.#head < this.#commands.length) {
      const command = this.#commands[this.#head];
      if (command.kind === 'dispatch') {
        const { pipeline } = command;
        if (pipeline.compiled === null && pipeline.error === null) {
          // All other pipelines of what is recorded compile meanwhile.
          return pipeline.ready.then(() => {
            this.#pumping = null;
            this.pump();
            return this.#pumping ?? undefined;
          });
        }
      }
      this.#head++;
      try {
        this.#encode(command);
      } catch (error) {
        this.#host.onFailure(error, command.kind === 'dispatch' ? command.node : null, this.#encoded);
      }
      this.#encoded++;
    }
    this.#commands.length = 0;
    this.#head = 0;
    return null;
  }

  /** Encodes and submits everything that is recorded, with what is recorded before the caller yields. */
  async drain(): Promise<void> {
    await Promise.resolve();
    this.pump();
    while (this.#pumping !== null) await this.#pumping;
    this.submit();
  }

  /** Waits for what the driver says about the submitted work. */
  async settle(): Promise<void> {
    await Promise.all(this.#scopes);
  }

  #encode(command: Command): void {
    if (command.kind === 'write') {
      // Writes happen between submissions.
      this.submit();
      const { data, to } = command;
      this.#gpu.queue.writeBuffer(to.buffer, 0, data.buffer, data.byteOffset, data.byteLength);
      return;
    }
    if (command.kind === 'copy') {
      this.#endPass();
      const { from, fromByte, to, toByte, bytes } = command;
      this.#open().copyBufferToBuffer(from.buffer, fromByte, to, toByte, bytes);
      return;
    }
    const { pipeline, words, workgroups, node } = command;
    if (pipeline.error !== null) throw pipeline.error;
    const slots = Math.ceil(pipeline.blockBytes / stride);
    if (this.#slots + slots > window) this.submit();
    const at = this.#slots * stride;
    this.#words.set(words, at / 4);
    this.#slots += slots;
    const group = this.#group(command);
    const { name } = pipeline.shader;
    if (this.timer !== null) this.#endPass();
    const pass = (this.#pass ??= this.#open().beginComputePass(
      this.timer === null ? undefined : { timestampWrites: this.timer.next(name) },
    ));
    if (this.#current !== pipeline.compiled) pass.setPipeline((this.#current = pipeline.compiled!));
    pass.setBindGroup(0, group, [at]);
    pass.dispatchWorkgroups(...workgroups);
    this.counters.dispatches++;
    if (this.timer !== null) this.#endPass();
    this.#window.push({ label: name, node, sequence: this.#encoded });
  }

  #group({ pipeline, blocks }: Dispatch): GPUBindGroup {
    let key = pipeline.signature;
    for (const b of blocks) key += `,${b.id}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= keptGroups) this.#groups = new Map();
      const entries = [
        { binding: 0, resource: { buffer: this.#uniforms, offset: 0, size: pipeline.blockBytes } },
        ...blocks.map((b, i) => ({ binding: i + 1, resource: { buffer: b.buffer } })),
      ];
      const { layout, shader } = pipeline;
      group = this.#judged(() => this.#gpu.createBindGroup({ label: shader.name, layout, entries }));
      this.counters.bindGroups++;
      this.#groups.set(key, group);
    }
    return group;
  }

  #open(): GPUCommandEncoder {
    return (this.#encoder ??= this.#gpu.createCommandEncoder());
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = null;
    this.#current = null;
  }

  /** Makes a call whose refusal concerns the commands of this window. The scope ends with it: others have theirs. */
  #judged<T>(call: () => T): T {
    const commands = this.#window;
    this.#gpu.pushErrorScope('validation');
    const result = call();
    const scope = patient(this.#gpu, () => this.#gpu.popErrorScope()).then(
      (error) => {
        if (error !== null) this.#host.onRefused(error.message, commands);
      },
      () => {}, // the device is lost: reported where it was noticed
    );
    this.#scopes.add(scope);
    void scope.finally(() => this.#scopes.delete(scope));
    return result;
  }

  /** Dispatches that are encoded and wait for being submitted. */
  get waiting(): number {
    return this.#slots;
  }

  /** Gives what is encoded to the GPU. */
  submit(): void {
    const encoder = this.#encoder;
    if (encoder !== null) {
      this.#endPass();
      this.#judged(() => {
        if (this.#slots > 0) {
          this.#gpu.queue.writeBuffer(this.#uniforms, 0, this.#words, 0, (this.#slots * stride) / 4);
        }
        this.#gpu.queue.submit([encoder.finish()]);
      });
      this.counters.submits++;
      this.#encoder = null;
      this.#slots = 0;
      this.#window = [];
    }
    this.#submitted = this.#encoded;
    if (this.#retired.length > 0 && this.#commands.length === this.#head) {
      for (const b of this.#retired) b.buffer.destroy();
      this.#retired = [];
    }
  }

  dispose(): void {
    this.#commands.length = 0;
    this.#head = 0;
    this.#groups.clear();
    this.#uniforms.destroy();
  }
}
