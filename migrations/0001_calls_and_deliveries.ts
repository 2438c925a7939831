/**
 * The ledger: calls, their conversations and events, and what is owed to each CRM.
 *
 * Times are milliseconds since the epoch in 64-bit integers: exact to the millisecond and the same on SQLite and
 * PostgreSQL. `progress` and `events` hold JSON as text, because nothing is searched inside them.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  const isPostgres = knex.client.driverName === 'pg';
  /** Digits compared byte by byte, so that a range over them is a prefix search on every locale. */
  const digits = isPostgres ? 'text collate "C"' : 'text';

  await knex.schema.createTable('calls', (table) => {
    table.bigIncrements('id');
    table.text('source').notNullable();
    table.text('linked_id').notNullable();
    table.text('direction').notNullable();
    table.text('client');
    table.specificType('client_reversed', digits);
    table.text('client_name');
    table.text('did');
    table.text('trunk');
    table.text('result').notNullable();
    table.bigInteger('started_at').notNullable();
    table.bigInteger('ended_at');
    table.boolean('is_ivr').notNullable();
    table.unique(['source', 'linked_id'], { indexName: 'calls_identity' });
    table.index(['started_at', 'id'], 'calls_by_start');
    table.index(['client_reversed', 'started_at', 'id'], 'calls_by_client');
    table.index(['did', 'started_at', 'id'], 'calls_by_did');
    table.index(['result', 'started_at', 'id'], 'calls_by_result');
  });
  // One to restore after a start, one for lists.
  await knex.raw('create index calls_open on calls (source) where ended_at is null');
  await knex.raw('create index calls_open_by_start on calls (started_at, id) where ended_at is null');

  await knex.schema.createTable('call_links', (table) => {
    table.text('source').notNullable();
    table.text('linked_id').notNullable();
    table.bigInteger('call_id').notNullable().references('id').inTable('calls').onDelete('CASCADE');
    table.primary(['source', 'linked_id']);
    table.index(['call_id'], 'call_links_by_call');
  });

  await knex.schema.createTable('conversations', (table) => {
    table.bigIncrements('id');
    table.bigInteger('call_id').notNullable().references('id').inTable('calls').onDelete('CASCADE');
    /** The call's start, kept here so that pages of one extension need one index. */
    table.bigInteger('call_started_at').notNullable();
    table.integer('position').notNullable();
    table.text('source').notNullable();
    table.text('unique_id').notNullable();
    table.text('channel').notNullable();
    table.text('extension');
    table.text('result').notNullable();
    table.boolean('registered').notNullable();
    table.text('reason');
    table.bigInteger('requested_at').notNullable();
    table.bigInteger('answered_at');
    table.bigInteger('ended_at');
    table.integer('duration').notNullable();
    table.integer('waiting').notNullable();
    table.text('recording');
    table.text('forwarded_to');
    table.text('request_id');
    table.unique(['source', 'unique_id'], { indexName: 'conversations_identity' });
    table.index(['call_id'], 'conversations_by_call');
    table.index(['extension', 'call_started_at', 'call_id'], 'conversations_by_extension');
    table.index(['requested_at', 'id'], 'conversations_by_request');
    table.index(['reason', 'call_started_at', 'call_id'], 'conversations_by_reason');
  });

  await knex.schema.createTable('call_events', (table) => {
    table.bigIncrements('id');
    table.bigInteger('call_id').notNullable().references('id').inTable('calls').onDelete('CASCADE');
    /** Of `events`: the same step saved twice is kept once. */
    table.text('digest').notNullable();
    /** The events of one step, a JSON array in the order of folding. */
    table.text('events').notNullable();
    table.unique(['call_id', 'digest'], { indexName: 'call_events_identity' });
  });

  await knex.schema.createTable('deliveries', (table) => {
    table.bigIncrements('id');
    table.text('crm').notNullable();
    table.text('kind').notNullable();
    table.bigInteger('call_id').notNullable().references('id').inTable('calls').onDelete('CASCADE');
    table.text('source').notNullable();
    table.text('unique_id').notNullable();
    table.text('state').notNullable();
    table.integer('attempts').notNullable();
    table.bigInteger('due_at').notNullable();
    table.integer('fence').notNullable();
    table.text('node');
    table.bigInteger('leased_until');
    table.text('progress').notNullable();
    table.text('last_error');
    table.text('crm_id');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('delivered_at');
    table.unique(['source', 'unique_id', 'crm', 'kind'], { indexName: 'deliveries_identity' });
    table.index(['call_id', 'crm'], 'deliveries_by_call');
    table.index(['crm', 'state', 'created_at', 'id'], 'deliveries_by_crm');
    table.index(['state', 'created_at', 'id'], 'deliveries_by_state');
    table.index(['created_at', 'id'], 'deliveries_by_creation');
  });
  // Small whatever the ledger's size, and walked in the order of claiming.
  await knex.raw(`create index deliveries_pending on deliveries (crm, id, due_at) where state = 'pending'`);
  await knex.raw(`create index deliveries_leased on deliveries (crm, leased_until) where state = 'leased'`);

  await knex.schema.createTable('delivery_attempts', (table) => {
    table.bigIncrements('id');
    table.bigInteger('delivery_id').notNullable().references('id').inTable('deliveries').onDelete('CASCADE');
    table.bigInteger('at').notNullable();
    table.text('node');
    table.text('result').notNullable();
    table.text('reason');
    table.index(['delivery_id', 'id'], 'delivery_attempts_by_delivery');
  });

  await knex.schema.createTable('paused_crms', (table) => {
    table.text('crm').primary();
    table.text('reason').notNullable();
    table.bigInteger('paused_at').notNullable();
  });

  await knex.schema.createTable('cursors', (table) => {
    table.text('name').primary();
    table.text('value').notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  for (const table of [
    'cursors',
    'paused_crms',
    'delivery_attempts',
    'deliveries',
    'call_events',
    'conversations',
    'call_links',
    'calls',
  ]) {
    await knex.schema.dropTable(table);
  }
}
