/** A WebGPU adapter for machines without a GPU: see adapter.mjs. */
export type Adapter = 'swiftshader' | 'lavapipe' | 'system' | 'none';
export function chosenAdapter(): Adapter;
export function adapterEnvironment(): Promise<Record<string, string>>;
export function browserLaunch(): Promise<{
  executablePath?: string;
  channel?: string;
  args: string[];
  env?: Record<string, string>;
}>;
