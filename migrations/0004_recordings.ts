import type { Knex } from 'knex';

/**
 * Recordings: one row for each part of a file that belongs to a conversation, and one for each file that was cut into
 * parts. Times are milliseconds since the epoch; what retention asks for stands here, so that it needs no join.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('recordings', (table) => {
    /** Random; the one in the link. */
    table.text('id').notNullable().primary();
    table.text('source').notNullable();
    table.text('linked_id').notNullable();
    /** Null: the whole file, of which others are parts. */
    table.text('unique_id');
    table.integer('position').notNullable();
    /** What the row is about, so that it is made once: `part:<uniqueid>:<position>` or `whole:<path>`. */
    table.text('subject').notNullable();
    table.text('direction').notNullable();
    table.text('client');
    table.text('extension');
    table.text('did');
    table.bigInteger('started_at').notNullable();
    table.bigInteger('call_ended_at').notNullable();
    table.text('state').notNullable();
    table.text('reason');
    table.bigInteger('due_at');
    table.integer('attempts').notNullable();
    /** As the phone system named it; empty while nothing was announced. */
    table.text('announced_path').notNullable();
    /** Where it was found. */
    table.text('path');
    table.text('root');
    table.bigInteger('from_ms');
    table.bigInteger('to_ms');
    table.bigInteger('duration_ms');
    table.text('peaks');
    /** In the folder of the converted ones, or the archive's key. */
    table.text('mp3');
    table.bigInteger('mp3_bytes');
    table.boolean('is_archived').notNullable();
    table.bigInteger('ready_at');
    table.bigInteger('keep_until');
    /** Links carry it: raising it makes all earlier ones invalid. */
    table.integer('link_version').notNullable();
    table.bigInteger('created_at').notNullable();
    table.unique(['source', 'linked_id', 'subject'], { indexName: 'recordings_identity' });
    table.index(['source', 'unique_id'], 'recordings_by_conversation');
    table.index(['client'], 'recordings_by_client');
    table.index(['keep_until'], 'recordings_by_end');
    table.index(['path'], 'recordings_by_path');
    table.index(['is_archived', 'ready_at'], 'recordings_by_readiness');
  });
  await knex.raw('create index recordings_due on recordings (due_at) where due_at is not null');

  await knex.schema.createTable('recording_plays', (table) => {
    table.bigIncrements('id');
    table.text('recording_id').notNullable().references('id').inTable('recordings').onDelete('CASCADE');
    table.bigInteger('at').notNullable();
    table.text('address').notNullable();
    table.text('forwarded_for');
    table.text('agent');
    table.index(['recording_id', 'at'], 'recording_plays_by_recording');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('recording_plays');
  await knex.schema.dropTable('recordings');
}
