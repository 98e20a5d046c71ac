/** The result for a reader at a terminal: a table with bars, latencies, and what was asked for with passed or missed. */
import { renderFrame, renderRates, renderTable, whole } from '../layout.ts';
import { MAIN, type RelayResult } from './result.ts';

export function renderReport(result: RelayResult): string {
  const { events, drained, latencies, capture } = result;
  const frame = {
    what: `Relay: ${events} events of about 300 bytes (${events / 2} rows in two versions)`,
    unit: 'event',
    asked: `engine: pg, ${MAIN.shards} shards, batch ${MAIN.batchRows}`,
  };
  return renderFrame(result, frame, [
    renderRates(drained, 'event'),
    ...(latencies.length === 0 ? [] : [renderLatencies(result)]),
    ...(capture.length === 0 ? [] : [renderCapture(result)]),
  ]);
}

function renderLatencies({ latencies }: RelayResult): string {
  return renderTable(
    ['commit in legacy to visible in target, ms', 'p50', 'p99', 'max', 'writes', 'writes/s'],
    latencies.map(({ title, p50, p99, max, writes, written }) => [
      title,
      whole(p50),
      whole(p99),
      whole(max),
      whole(writes),
      whole(written),
    ]),
  );
}

function renderCapture({ capture }: RelayResult): string {
  return renderTable(
    ['capture by triggers, TPC-B script', 'TPS without', 'with', 'ratio', 'added p50', 'added p99'],
    capture.map(({ setting, tpsOff, tpsOn, ratio, addedP50, addedP99 }) => [
      setting,
      whole(tpsOff),
      whole(tpsOn),
      ratio.toFixed(2),
      `${addedP50.toFixed(2)} ms`,
      `${addedP99.toFixed(2)} ms`,
    ]),
  );
}
