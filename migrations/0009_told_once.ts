/**
 * What is told once and must outlive a restart: one-time tokens that were used, the states of CRMs' users; and that a
 * recording's plain samples are of two channels. Times are milliseconds since the epoch.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('used_tokens', (table) => {
    table.text('id').notNullable().primary();
    table.bigInteger('expires_at').notNullable();
    table.index(['expires_at'], 'used_tokens_by_end');
  });

  await knex.schema.createTable('crm_user_states', (table) => {
    table.text('crm').notNullable();
    /** Empty: the CRM names the extension alone. */
    table.text('user_id').notNullable();
    /** Empty: all phones of the user. */
    table.text('extension').notNullable();
    table.text('status').notNullable();
    table.bigInteger('told_at').notNullable();
    /** A phone system could not be told yet. */
    table.boolean('is_owed').notNullable();
    table.primary(['crm', 'user_id', 'extension']);
  });

  await knex.schema.alterTable('recordings', (table) => {
    table.boolean('is_interleaved').notNullable().defaultTo(false);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('recordings', (table) => table.dropColumns('is_interleaved'));
  await knex.schema.dropTable('crm_user_states');
  await knex.schema.dropTable('used_tokens');
}
