/**
 * The queue that a client waited in, the tokens that people make for programs, and what lists of a long ledger walk.
 * Times are milliseconds since the epoch.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('calls', (table) => {
    table.text('queue');
    table.bigInteger('queue_joined_at');
    table.bigInteger('queue_left_at');
  });

  // Only the calls that stood in one: the others cost nothing.
  await knex.raw('create index calls_by_queue on calls (queue, started_at, id) where queue is not null');

  await knex.schema.createTable('api_tokens', (table) => {
    table.bigIncrements('id');
    table.text('name').notNullable();
    /** SHA-256: who reads the database has no token. */
    table.text('token_hash').notNullable().unique();
    table.text('access').notNullable();
    table.text('made_by').notNullable();
    table.bigInteger('made_at').notNullable();
    table.bigInteger('used_at');
    table.bigInteger('revoked_at');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('api_tokens');
  await knex.raw('drop index calls_by_queue');
  await knex.schema.alterTable('calls', (table) => {
    table.dropColumns('queue', 'queue_joined_at', 'queue_left_at');
  });
}
