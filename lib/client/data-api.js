/** The RDS Data API as something with query(text, values): it has named parameters and commands instead of BEGIN and COMMIT. */

/** See index.d.ts. */
export function overDataApi(api) {
  let transactionId;
  return {
    async begin() {
      ({ transactionId } = await api.begin({}));
    },
    async query(text, values = []) {
      const answer = await api.execute({
        sql: named(text),
        parameters: values.map((value, index) => ({ name: `p${index + 1}`, value: fieldOf(value) })),
        includeResultMetadata: true,
        // A number of JavaScript cannot hold every bigint.
        resultSetOptions: { longReturnType: 'STRING', decimalReturnType: 'STRING' },
        ...(transactionId === undefined ? {} : { transactionId }),
      });
      const names = (answer.columnMetadata ?? []).map(({ label, name }) => label ?? name ?? '');
      const rows = (answer.records ?? []).map((record) =>
        Object.fromEntries(record.map((field, index) => [names[index], valueIn(field)])),
      );
      return { rows, rowCount: names.length > 0 ? rows.length : (answer.numberOfRecordsUpdated ?? 0) };
    },
    async commit() {
      const ended = transactionId;
      transactionId = undefined;
      await api.commit({ transactionId: ended });
    },
    async rollback() {
      const ended = transactionId;
      transactionId = undefined;
      await api.rollback({ transactionId: ended });
    },
  };
}

/** `$1` becomes `:p1`, outside of quotes and comments. */
function named(text) {
  return text.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\d+)/g, (all, number) =>
    number === undefined ? all : `:p${number}`,
  );
}

function fieldOf(value) {
  if (value === null || value === undefined) return { isNull: true };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { booleanValue: value };
  if (typeof value === 'number' && Number.isFinite(value))
    return Number.isSafeInteger(value) ? { longValue: value } : { doubleValue: value };
  if (typeof value === 'number' || typeof value === 'bigint') return { stringValue: String(value) };
  throw new TypeError(
    `a ${typeof value} cannot be a parameter of the Data API; hand it over as text and cast it in SQL`,
  );
}

function valueIn(field) {
  if (field.isNull === true) return null;
  return field.stringValue ?? field.longValue ?? field.doubleValue ?? field.booleanValue ?? field.blobValue;
}
