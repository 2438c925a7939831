/** Who has taken a missed client upon themselves. A later missed call of the client makes it everybody's again. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('missed_takes', (table) => {
    table.text('client').primary();
    table.text('who').notNullable();
    table.bigInteger('at').notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('missed_takes');
}
