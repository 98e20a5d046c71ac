import { expect, test } from 'vitest';
import { withoutDatabaseCommands } from '../../../lib/local/load-sql.ts';

test('commands about databases are left out, and every other line keeps its number', () => {
  const sql = `/* *****
   Drop database if it exists
******/
DROP DATABASE IF EXISTS shop;
CREATE DATABASE shop;
\\c shop;
CREATE TABLE t (note text DEFAULT 'x \\c y'); -- create database later
`;

  expect(withoutDatabaseCommands(sql)).toBe(`/* *****
   Drop database if it exists
******/



CREATE TABLE t (note text DEFAULT 'x \\c y'); -- create database later
`);
});
