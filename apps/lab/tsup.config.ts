import { defineConfig } from 'tsup';
import { program } from '../../tooling/config/tsup.js';

export default defineConfig(program({ entry: ['src/cli.ts', 'src/worker.ts'] }));
