/** Where in the bucket working files lie: what is under these prefixes expires, everything else (archives, reports) stays. */
/** Lists of chunks, which the Distributed Map reads, and results of one cycle. */
export const CYCLES_PREFIX = 'cycles/';
/** Long lists of tenants, by what they hold: cycles of the same tenants share one. */
export const TENANT_LISTS_PREFIX = `${CYCLES_PREFIX}tenants/`;
/** The newest drift report: the dashboard and `drift status` name it. */
export const REPORT_KEY = 'reports/drift.html';
/** Plans of repairs, by their id: what was reviewed stays. */
export const REPAIRS_PREFIX = 'repairs/';
/** State of full exact passes. */
export const PASSES_PREFIX = 'passes/';
/** Written by the Distributed Map itself. */
export const MAP_RESULTS_PREFIX = 'map-results/';

export const WORKING_PREFIXES = [CYCLES_PREFIX, PASSES_PREFIX, MAP_RESULTS_PREFIX] as const;
