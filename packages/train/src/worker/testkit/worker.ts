import { jobs } from './jobs.js';
import { serve } from '../index.js';

// The module of the worker in the tests.
serve(jobs);
