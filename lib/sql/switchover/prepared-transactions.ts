import type { Statement } from '../statement.ts';

/** A prepared transaction may commit writes behind a fence that it passed before (protocol §9). */
export const preparedTransactions: Statement = {
  text: 'SELECT count(*)::integer AS prepared FROM pg_prepared_xacts WHERE database = current_database()',
  values: [],
};
