import { defineConfig } from 'tsup';
import { library } from '../../tooling/config/tsup.js';

export default defineConfig(library());
