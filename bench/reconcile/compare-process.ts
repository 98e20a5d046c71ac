/** Started by engine.ts: one comparison in a process of its own, so that its start counts and its memory can be read. Prints a ProcessReport. */
import type { DigestForm } from '../../lib/domain/digest.ts';
import { type BenchRoles, openAs } from '../engine-deps.ts';
import type { Urls } from '../servers.ts';
import { type CompareReport, compareOnce } from './compare-once.ts';

export interface CompareOrder {
  readonly urls: Urls;
  readonly roles: BenchRoles;
  readonly form: DigestForm;
  readonly chunkRows?: number | undefined;
}

export interface ProcessReport extends CompareReport {
  readonly maxRssMb: number;
}

// Written by engine.ts.
const { urls, roles, form, chunkRows } = JSON.parse(process.env.CROSSFADE_BENCH_COMPARE ?? '{}') as CompareOrder;
const databases = openAs(urls, roles);
const compared = await compareOnce(databases, form, chunkRows);
await databases.close();
// Kilobytes, as getrusage(2) has it on Linux.
const report: ProcessReport = { ...compared, maxRssMb: process.resourceUsage().maxRSS / 1024 };
process.stdout.write(`${JSON.stringify(report)}\n`);
