/** What PostgreSQL says of a value that it cannot take travels without the value, in whatever language it speaks (invariant 9). */
import { expect, it } from 'vitest';
import { fromServerError } from '../../lib/adapters/shared/sql-errors.ts';

const messageOf = (message: string, sqlState = '22P02') => fromServerError({ sqlState, message }).message;

it.each([
  'invalid input syntax for type integer: "4711-secret"',
  'ERROR: invalid input syntax for type integer: "4711-secret"; SQLState: 22P02',
  'time zone "4711-secret" not recognized',
  'unit "4711-secret" not recognized for type timestamp',
  '"4711-secret" is not a valid binary digit',
  'invalid regular expression: parentheses () not balanced in 4711-secret',
  'date/time field value out of range: "4711-secret"',
  'value "4711-secret" is out of range for type bigint',
  'value "a "quoted" 4711-secret" is out of range for type bigint',
  'FEHLER: ungültige Eingabesyntax für Typ integer: »4711-secret«',
  'Zeitzone »4711-secret« nicht erkannt',
  'fuseau horaire « 4711-secret » non reconnu',
  'el huso horario «4711-secret» no es reconocido',
  '“4711-secret” は無効です',
])('%s', (message) => {
  const told = messageOf(message);

  expect(told).not.toContain('secret');
  expect(told).toContain('(value withheld)');
  expect(told).toContain('SQLSTATE 22P02');
});

it('what holds no value stays as it is, the severity too', () => {
  expect(messageOf('numeric field overflow', '22003')).toBe('numeric field overflow (SQLSTATE 22003)');
  expect(messageOf('ERROR: division by zero', '22012')).toBe('ERROR: division by zero (SQLSTATE 22012)');
  expect(messageOf('value too long for type character varying(8)', '22001')).toContain('character varying(8)');
  expect(messageOf('relation "public.orders" does not exist', '42P01')).toContain('"public.orders"');
});
