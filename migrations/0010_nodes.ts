/**
 * What the nodes that share a database must know of each other: which calls were asked for by clicks, and with which hooks
 * and settings each node works. Times are milliseconds since the epoch.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('click_requests', (table) => {
    table.text('request_id').notNullable().primary();
    table.text('requester').notNullable();
    table.text('employee_id').notNullable();
    table.text('extension').notNullable();
    table.text('number').notNullable();
    table.text('client_name');
    table.bigInteger('requested_at').notNullable();
    /** Why no call was placed, or perhaps none. */
    table.text('refusal');
    table.bigInteger('refused_at');
    table.index(['requested_at'], 'click_requests_by_time');
  });
  await knex.raw('create index conversations_by_click on conversations (request_id) where request_id is not null');

  await knex.schema.createTable('nodes', (table) => {
    table.text('name').notNullable().primary();
    /** JSON: digests of what the node works with, by name. */
    table.text('works_with').notNullable();
    table.bigInteger('seen_at').notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('nodes');
  await knex.schema.alterTable('conversations', (table) => table.dropIndex([], 'conversations_by_click'));
  await knex.schema.dropTable('click_requests');
}
