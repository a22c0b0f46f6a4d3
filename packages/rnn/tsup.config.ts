import { defineConfig } from 'tsup';
import { library } from '../../tooling/config/tsup.js';

// The text of the shaders is spelled out by a leaf that is inlined.
export default defineConfig(library({ noExternal: ['@seq/webgpu-kernels/wgsl'] }));
