import { DeviceError } from '@seq/tensor';
import type { GpuLimits } from '@seq/tensor/engine';
import { loadKernels } from '@seq/tensor/engine';
import type { DeviceOptions } from './options.js';
import { WebGPUDevice } from './device.js';
import { runsOnCpu } from './patient.js';

const featureNames = {
  f16: 'shader-f16',
  subgroups: 'subgroups',
  timestamps: 'timestamp-query',
} as const;

type Feature = keyof typeof featureNames;

/** Options of `requestWebGPU`. */
export interface WebGPUOptions extends DeviceOptions {
  /** Where adapters come from; default `navigator.gpu`, and in Node the npm package `webgpu`. */
  gpu?: GPU;
  /**
   * The platform's device to use, for applications with WebGPU code of their own and for several devices that share
   * compiled kernels; `dispose` leaves it alive. Default: one of its own, with all features and limits that help.
   */
  device?: GPUDevice;
  /** A wish of the adapter's choice; default the platform's. */
  powerPreference?: GPUPowerPreference;
  /** Whether an adapter that is a program on the CPU may serve; default true, with a line in the log. */
  allowSoftware?: boolean;
  /** Features to leave unused although the adapter has them; default none. */
  without?: readonly Feature[];
  /** Ask for no more than every WebGPU device has: tests of what runs on the weakest. Default false. */
  floor?: boolean;
  /** Choose the kernels meant for real GPUs on a software adapter as well: for tests of them. Default false. */
  assumeGpu?: boolean;
  /** Takes what is worth knowing: the adapter found, features missing. Default silent. */
  log?: (message: string) => void;
}

/** Adapters of Node live as long as the object they came from, so it is held while a device lives. */
const held = new Map<WebGPUDevice, GPU>();
let nodeGpu: GPU | null = null;

/**
 * A WebGPU device: in pages, workers and Deno through `navigator.gpu`, in Node through the npm package `webgpu`.
 *
 * It takes f16, subgroups and timestamps where the adapter has them, and all of its limits. The kernels of all packages that
 * were imported before come with it; behind a later import `await loadKernels()`.
 *
 * @throws DeviceError  when there is no WebGPU, no adapter, or only a software adapter and `allowSoftware` is false, or
 *                      kernels do not load; the message says what to install, switch on or serve
 */
export async function requestWebGPU({
  gpu,
  device: given,
  powerPreference,
  allowSoftware = true,
  without = [],
  floor = false,
  assumeGpu = false,
  log = () => {},
  ...options
}: WebGPUOptions = {}): Promise<WebGPUDevice> {
  const source = given === undefined ? (gpu ?? (await findGpu())) : null;
  const adapter = await source?.requestAdapter(powerPreference === undefined ? {} : { powerPreference });
  if (adapter === null) {
    throw new DeviceError(
      'requestWebGPU: the platform must offer an adapter, it has none. Update the graphics driver; in Chromium see chrome://gpu, on Linux servers install a Vulkan driver (Mesa has one that needs no GPU).',
    );
  }
  const info = (adapter?.info ?? given?.adapterInfo)!;
  const title =
    [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(' ') || 'unnamed';
  const software = isSoftware(info);
  if (software && !allowSoftware) {
    throw new DeviceError(
      `requestWebGPU: the adapter must be a GPU (allowSoftware: false), got ${title}. Allow it, or use the CPU device.`,
    );
  }
  const features = (Object.keys(featureNames) as Feature[]).filter(
    (name) => !floor && !without.includes(name) && (adapter ?? given)!.features.has(featureNames[name]),
  );
  await loadKernels();
  const device =
    given ??
    (await adapter!.requestDevice({
      label: options.name ?? 'webgpu',
      requiredFeatures: features.map((name) => featureNames[name]),
      requiredLimits: floor ? {} : raised(adapter!.limits),
    }));
  if (software) runsOnCpu(device);
  const limits = limitsOf(device, { info, features, software: software && !assumeGpu, floor });
  log(
    `webgpu: ${title}${software ? ' (a program on the CPU)' : ''}; f16 ${limits.f16 ? 'yes' : 'no'}, subgroups ${limits.subgroupSize === 0 ? 'no' : `of at least ${limits.subgroupSize}`}, bindings up to ${limits.bindingBytes} bytes`,
  );
  const release = (): void => {
    device.destroy();
    held.delete(made);
  };
  const made: WebGPUDevice = new WebGPUDevice(device, limits, options, source === null ? null : release);
  if (source !== null) held.set(made, source);
  return made;
}

/** Limits that let larger tensors and better kernels run, as far as the adapter goes. */
function raised(limits: GPUSupportedLimits): Record<string, number> {
  const names = [
    'maxBufferSize',
    'maxStorageBufferBindingSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxComputeWorkgroupSizeY',
    'maxComputeWorkgroupSizeZ',
    'maxComputeWorkgroupsPerDimension',
  ] as const;
  return Object.fromEntries(names.map((name) => [name, limits[name]]));
}

function isSoftware(info: GPUAdapterInfo): boolean {
  const flagged = (info as GPUAdapterInfo & { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  return (
    flagged ||
    /swiftshader|llvmpipe|lavapipe|basic render/i.test(
      `${info.architecture} ${info.device} ${info.description}`,
    )
  );
}

/** What kernels may rely on; with `floor` what every device has, whatever this one grants. */
function limitsOf(
  { limits: l }: GPUDevice,
  o: {
    readonly info: GPUAdapterInfo;
    readonly features: readonly Feature[];
    readonly software: boolean;
    readonly floor: boolean;
  },
): GpuLimits {
  const least = (value: number, everywhere: number): number =>
    o.floor ? Math.min(value, everywhere) : value;
  return {
    storageBuffers: least(l.maxStorageBuffersPerShaderStage, 8),
    invocations: least(l.maxComputeInvocationsPerWorkgroup, 256),
    workgroupBytes: least(l.maxComputeWorkgroupStorageSize, 16_384),
    workgroups: least(l.maxComputeWorkgroupsPerDimension, 65_535),
    bindingBytes: least(Math.min(l.maxStorageBufferBindingSize, l.maxBufferSize), 134_217_728),
    f16: o.features.includes('f16'),
    subgroupSize: o.features.includes('subgroups') ? (o.info.subgroupMinSize ?? 4) : 0,
    software: o.software,
  };
}

/** Where adapters come from on this platform. */
export async function findGpu(): Promise<GPU> {
  if (typeof navigator === 'object' && 'gpu' in navigator && navigator.gpu) return navigator.gpu;
  const process = (globalThis as { process?: { versions?: { node?: string } } }).process;
  if (process?.versions?.node === undefined) {
    throw new DeviceError(
      'requestWebGPU: the platform must have WebGPU, navigator.gpu is undefined. Use a current browser on a secure page (https or localhost), or the CPU device.',
    );
  }
  if (nodeGpu !== null) return nodeGpu;
  // The name is no literal, so that bundlers for the web leave it alone.
  const name = 'webgpu';
  let module: { create(flags: string[]): GPU };
  try {
    module = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as typeof module;
  } catch (error) {
    throw new DeviceError(
      `requestWebGPU: Node needs the package webgpu, it cannot be loaded (${(error as Error).message.split('\n')[0]}). Install it: npm i webgpu.`,
    );
  }
  return (nodeGpu = module.create([]));
}
