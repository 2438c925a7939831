/** Which hooks ran about a call. Kept for a while and for nothing but to be looked at; times are milliseconds since the epoch. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('hook_runs', (table) => {
    table.bigIncrements('id');
    table.bigInteger('at').notNullable();
    table.text('hook').notNullable();
    table.text('crm');
    /** The linkedid of the call, or the id of the click that asked for it. */
    table.text('about').notNullable();
    /** Null: asked by the dialplan, which does not say which phone system it belongs to. */
    table.text('source');
    table.text('unique_id');
    table.bigInteger('took_us').notNullable();
    table.boolean('has_changed').notNullable();
    table.text('fault');
    table.text('message');
    table.index(['about'], 'hook_runs_by_call');
    table.index(['at'], 'hook_runs_by_time');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('hook_runs');
}
