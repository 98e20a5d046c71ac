import { ENV } from '../../lib/contracts/env-names.ts';

/** @throws {Error} when the variable is not set: the function was deployed without it. */
export function requireEnv(name: keyof typeof ENV): string {
  const value = process.env[ENV[name]];
  if (value === undefined || value === '') {
    throw new Error(`environment variable ${ENV[name]} is not set; deploy the control stack again`);
  }
  return value;
}
