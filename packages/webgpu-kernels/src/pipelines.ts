import { DeviceError } from '@seq/tensor';
import { computeStage } from './constants.js';
import type { GpuShader } from '@seq/tensor/engine';
import { patient } from './patient.js';

/** A shader on its way to a pipeline, or there. */
export interface Pipeline {
  readonly shader: GpuShader;
  readonly layout: GPUBindGroupLayout;
  /** Equal for pipelines whose bind groups are interchangeable. */
  readonly signature: string;
  /** Bytes of the uniform block. */
  readonly blockBytes: number;
  /** Set when the pipeline is compiled. */
  compiled: GPUComputePipeline | null;
  /** Set when it cannot be compiled. */
  error: DeviceError | null;
  readonly ready: Promise<void>;
}

interface Layouts {
  readonly signature: string;
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

const known = /* @__PURE__ */ new WeakMap<GPUDevice, Pipelines>();

/** The pipelines of a device of the platform, which all devices made of it share. */
export function pipelinesOf(gpu: GPUDevice): Pipelines {
  let pipelines = known.get(gpu);
  if (pipelines === undefined) known.set(gpu, (pipelines = new Pipelines(gpu)));
  return pipelines;
}

/** Pipelines by their text, compiled once, asynchronously and in parallel. */
export class Pipelines {
  readonly #gpu: GPUDevice;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, Layouts>();
  #pending = 0;

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Pipelines made so far. */
  get count(): number {
    return this.#pipelines.size;
  }

  /** Pipelines that are being compiled. */
  get pending(): number {
    return this.#pending;
  }

  get(shader: GpuShader): Pipeline {
    const known = this.#pipelines.get(shader.code);
    if (known !== undefined) return known;
    const places = shader.offsets ?? shader.bindings;
    const words = places.length + (shader.reports ? 1 : 0) + shader.params.length;
    const blockBytes = Math.ceil((words * 4) / 16) * 16;
    const { group, pipeline: layout, signature } = this.#layout(shader, blockBytes);
    const pipeline: { -readonly [K in keyof Pipeline]: Pipeline[K] } = {
      shader,
      layout: group,
      signature,
      blockBytes,
      compiled: null,
      error: null,
      ready: Promise.resolve(),
    };
    this.#pending++;
    pipeline.ready = this.#compile(shader, layout).then(
      (compiled) => {
        this.#pending--;
        pipeline.compiled = compiled;
      },
      (error: unknown) => {
        this.#pending--;
        pipeline.error = new DeviceError(
          `webgpu: the adapter must accept the shader ${shader.name}, it answered: ${error instanceof Error ? error.message : String(error)}. Please report this together with the adapter's name.`,
        );
      },
    );
    this.#pipelines.set(shader.code, pipeline);
    return pipeline;
  }

  async #compile(shader: GpuShader, layout: GPUPipelineLayout): Promise<GPUComputePipeline> {
    // What the compiler finds is told by the pipeline's refusal below.
    this.#gpu.pushErrorScope('validation');
    const module = this.#gpu.createShaderModule({ label: shader.name, code: shader.code });
    void patient(this.#gpu, () => this.#gpu.popErrorScope()).catch(() => {});
    try {
      return await patient(this.#gpu, () =>
        this.#gpu.createComputePipelineAsync({
          label: shader.name,
          layout,
          compute: { module, entryPoint: 'main' },
        }),
      );
    } catch (error) {
      // What the compiler found says more than the refusal of the pipeline.
      const info = await patient(this.#gpu, () => module.getCompilationInfo());
      const lines = shader.code.split('\n');
      const found = info.messages
        .filter((m) => m.type === 'error')
        .map((m) => `line ${m.lineNum}: ${m.message} (${lines[m.lineNum - 1]?.trim() ?? ''})`);
      throw found.length > 0 ? new Error(found.join('; '), { cause: error }) : error;
    }
  }

  #layout({ bindings, reports }: GpuShader, blockBytes: number): Layouts {
    const key = `${bindings.map((b) => b.access[0]).join('')}${reports ? '!' : ''}${blockBytes}`;
    let layouts = this.#layouts.get(key);
    if (layouts === undefined) {
      const storage = bindings.map((b): GPUBufferBindingType =>
        b.access === 'read' ? 'read-only-storage' : 'storage',
      );
      if (reports) storage.push('storage');
      const group = this.#gpu.createBindGroupLayout({
        label: key,
        entries: [
          {
            binding: 0,
            visibility: computeStage,
            buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: blockBytes },
          },
          ...storage.map((type, i) => ({ binding: i + 1, visibility: computeStage, buffer: { type } })),
        ],
      });
      layouts = {
        signature: key,
        group,
        pipeline: this.#gpu.createPipelineLayout({ label: key, bindGroupLayouts: [group] }),
      };
      this.#layouts.set(key, layouts);
    }
    return layouts;
  }
}
