import { adapterEnvironment } from '../../webgpu-test/src/adapter.mjs';
import { runModule } from './examples.js';
import type { Project } from './project.js';
import type { Runtime } from './runtimes.js';

interface Device {
  name: string;
  /** A module that prints `present` where the device is there. */
  probe: string;
  /** What a process must find in its environment to see the device. */
  environment(): Promise<Record<string, string>>;
}

/**
 * Packages whose README examples need a device that not every machine has. This is the one place that says so: where the
 * device is absent their examples are skipped, with the reason; all else is proven all the same.
 */
const needs: Record<string, Device> = {
  '@seq/webgpu-kernels': {
    name: 'a WebGPU adapter',
    environment: adapterEnvironment,
    probe: `
      const found = (globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu;
      const name: string = 'webgpu';
      const gpu = (found ?? (await import(name)).create([])) as { requestAdapter(): Promise<unknown> };
      Object.assign(globalThis, { heldByProbe: gpu });
      console.log((await gpu.requestAdapter()) ? 'present' : 'absent');
    `,
  },
};

/** Writes the module that looks for the device of a package, if it needs one. */
export function writeProbe(project: Project, packageName: string): void {
  const device = needs[packageName];
  if (device) project.write('src/probe.ts', `${device.probe}\nexport {};\n`);
}

/** The environment in which the examples of a package run, or why they cannot. */
export async function conditions(
  project: Project,
  runtime: Runtime,
  packageName: string,
): Promise<{ env: Record<string, string> } | { missing: string }> {
  const device = needs[packageName];
  if (!device) return { env: {} };
  const env = await device.environment();
  const { output } = await runModule(project, runtime, 'probe', env);
  if (output.split('\n').includes('present')) return { env };
  return {
    missing: `its examples need ${device.name}; ${runtime.name} finds none (${output.split('\n')[0]})`,
  };
}
