import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { until } from '../support/until.ts';
import { openBrowser, signIn, type Browser } from './browser.ts';
import { startBrowserTests } from './browser-tests.ts';
import { supervisorPassword, transferCall, type SeededService } from './seeded-service.ts';
import { recordingSeconds, showRecording } from './shown-recording.ts';

describe('calls in the browser', function () {
  this.timeout(60_000);
  let service: SeededService;
  let browser: Browser;
  let page: Page;
  const { open } = startBrowserTests((opened) => ({ service, browser, page } = opened));
  const timeOf = () => page.evaluate(`document.querySelector('audio')?.currentTime ?? -1`) as Promise<number>;

  before(() => showRecording(page));

  it('draws ring, talk and hold, and marks where a call was passed on', async () => {
    await open(`calls?call=office/${transferCall}`);
    const line = page.locator('.timeline').first();
    await line.locator('rect.hold').waitFor();
    assert.deepEqual(
      await line.locator('rect').evaluateAll((rects) => rects.map((rect) => rect.getAttribute('class'))),
      ['ring', 'talk', 'hold'],
    );
    assert.equal(await line.locator('line.transfer').count(), 1);
    assert.match((await line.getByRole('img').getAttribute('aria-label'))!, /rings .*talks .*on hold .*passed on/);
  });

  it('shows the call of a link even where the list does not hold it', async () => {
    await open(`calls?call=office/${transferCall}&result=busy`);
    await page.locator('.alone .timeline').first().waitFor();
    const number = page.getByRole('textbox', { name: 'Number' });
    await number.fill('0002');
    await number.press('Enter');
    await page.waitForURL((url) => !url.searchParams.has('call'));
    await page.getByRole('button', { name: 'Clear' }).click();
  });

  it('opens a recording at the moment of the link, with whose voice is on which side', async () => {
    await open(`calls?call=office/${transferCall}&t=12`);
    await until(async () => Math.abs((await timeOf()) - 12) < 0.5);
    await page.getByText('Left: client').waitFor();
    await page.getByText('Right: employee').waitFor();
  });

  it('seeks by the keyboard on the wave, and by steps of ten seconds', async () => {
    await open(`calls?call=office/${transferCall}&t=20`);
    const slider = page.getByRole('slider', { name: 'Place in the recording' });
    await until(async () => (await slider.getAttribute('aria-valuenow')) === '20');
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await until(async () => Math.round(await timeOf()) === 25);
    await page.keyboard.press('Home');
    await until(async () => (await timeOf()) === 0);
    await page.getByRole('button', { name: 'Ten seconds ahead' }).click();
    await until(async () => Math.round(await timeOf()) === 10);
    const { width, height } = (await slider.boundingBox())!;
    await slider.click({ position: { x: width / 2, y: height / 2 } });
    await until(async () => Math.abs((await timeOf()) - recordingSeconds / 2) < 1);
  });

  it('copies a link to the moment that plays', async () => {
    await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: service.url });
    await open(`calls?call=office/${transferCall}&t=12`);
    await until(async () => Math.round(await timeOf()) === 12);
    await page.getByRole('button', { name: 'Copy link to this moment' }).click();
    await page.getByText('The link to 0:12 is copied.').waitFor();
    const link = new URL((await page.evaluate('navigator.clipboard.readText()')) as string);
    assert.deepEqual(Object.fromEntries(link.searchParams), { call: `office/${transferCall}`, sound: 'abc', t: '12' });
  });

  it('shows what the present rules would write, and writes nothing', async () => {
    await open(`calls?call=office/${transferCall}`);
    await page.getByRole('button', { name: 'Replay with dry run' }).click();
    await page.locator('.writes li').first().getByText('local').waitFor();
    await page.getByText('Not in the queue yet.').first().waitFor();
  });

  it('filters by why a conversation is not sent, and by queue', async () => {
    await open('calls');
    await page.getByLabel('For the CRMs').selectOption({ label: 'Not: consultation' });
    await page.waitForURL(/reason=consultation/);
    await until(async () => (await page.locator('tr.line').count()) === 1);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.waitForURL(/\/ui\/calls$/);
    const queue = page.getByRole('textbox', { name: 'Queue' });
    await queue.fill('nobody');
    await queue.press('Enter');
    await page.waitForURL(/queue=nobody/);
    await page.getByText('No calls fit these filters.').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
  });

  it('filters by times of a day, keeps them in the address, and gives the same to the export', async () => {
    const { items } = (await (await service.ask('calls?limit=200')).json()) as { items: { startedAt: string }[] };
    const clock = new Intl.DateTimeFormat('sv-SE', {
      timeZone: 'Europe/Moscow',
      dateStyle: 'short',
      timeStyle: 'short',
    });
    const started = items.map(({ startedAt }) => clock.format(new Date(startedAt)).replace(' ', 'T'));
    const day = started[60]!.slice(0, 10);
    const ofDay = started.filter((at) => at.startsWith(day));
    const [to = '', from = ''] = [ofDay[2], ofDay.at(-3)];
    const within = started.filter((at) => at >= from && at < to).length;
    assert.ok(within > 0 && within < ofDay.length);

    await open(`calls?from=${day}&to=${day}`);
    await until(async () => (await page.locator('tr.line').count()) === ofDay.length);
    await page.getByLabel('From, time').fill(from.slice(11));
    await page.getByLabel('To, time').fill(to.slice(11));
    await until(async () => (await page.locator('tr.line').count()) === within);
    const address = new URL(page.url()).searchParams;
    assert.deepEqual([address.get('from'), address.get('to')], [from, to]);
    const csv = new URL((await page.getByRole('link', { name: 'Export CSV' }).getAttribute('href'))!, service.url);
    assert.deepEqual([csv.searchParams.get('from'), csv.searchParams.get('to')], [from, to]);

    await page.reload();
    await until(async () => (await page.locator('tr.line').count()) === within);
    assert.equal(await page.getByLabel('From, time').inputValue(), from.slice(11));
    await page.getByLabel('From, time').fill('');
    await page.waitForURL((url) => url.searchParams.get('from') === day);
    await page.getByLabel('To', { exact: true }).fill('2026-01-01');
    await page.getByText('The end lies before the beginning.').waitFor();
    await page.getByRole('button', { name: 'Yesterday' }).click();
    await page.waitForURL(
      (url) => !url.search.includes('T') && url.searchParams.get('from') === url.searchParams.get('to'),
    );
    assert.equal(await page.getByRole('button', { name: 'Yesterday' }).getAttribute('aria-pressed'), 'true');
    await page.getByRole('button', { name: 'Clear' }).click();
  });

  it('brings a period back on the same day, and on another only the other filters', async () => {
    await open('calls?result=busy');
    await page.getByRole('button', { name: 'Today' }).click();
    await page.waitForURL(/from=/);
    await open('calls');
    await page.waitForURL(/from=.*result=busy|result=busy.*from=/);
    await page.evaluate(`localStorage.setItem('ringledger.filters.calls.day', '2020-01-01')`);
    await open('calls');
    await page.waitForURL((url) => url.search === '?result=busy');
    await page.getByRole('button', { name: 'Clear' }).click();
  });

  it('shows live who waits in which queue, who is responsible, and what CRMs were told last', async () => {
    await open('live');
    const last = page.getByRole('region', { name: 'Last conversations in the CRMs' });
    await last.getByText('The contact is locked by another user').first().waitFor();
    service.startCall();
    const queues = page.getByRole('region', { name: 'Waiting in queues' });
    await queues.getByText('sales').waitFor();
    await queues.getByText('no. 1').waitFor();
    await page.locator('.tile', { hasText: 'Ivan Petrov' }).getByText('Responsible: Anna Orlova').waitFor();
    const { items } = (await (await service.ask('deliveries?state=rejected')).json()) as { items: { id: string }[] };
    await service.ask(`deliveries/${items[0]!.id}/reject`, { method: 'POST', body: { note: 'a supplier' } });
    await last.getByText('this machine: a supplier').waitFor();
  });

  it('gives supervisors the wave of conversations they see, and nothing of CRMs', async () => {
    const other = await openBrowser();
    try {
      const theirs = await other.newPage();
      await signIn(theirs, { url: service.url, name: 'vera', password: supervisorPassword });
      await showRecording(theirs);
      await theirs.goto(`${service.url}/ui/calls?call=office/${transferCall}`);
      await theirs.locator('svg.wave path').first().waitFor({ state: 'attached' });
      assert.equal(await theirs.locator('.dry-run, .delivery').count(), 0);
      await theirs.goto(`${service.url}/ui/live`);
      await theirs.locator('.tile').first().waitFor();
      assert.equal(await theirs.getByText('Last conversations in the CRMs').count(), 0);
    } finally {
      await other.close();
    }
  });
});
