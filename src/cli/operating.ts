// Commands of whoever is on call: they speak to the API of any region, and need neither the store nor a replica's file.
import { Argument, type Command, Option } from 'commander';
import type { DrillOptions, HistoryOptions } from '../command/desk/drills.ts';
import type { EventsOptions, SimulateOptions, StatusOptions, WhyOptions } from '../command/desk/look.ts';
import type { ObjectivesOptions } from '../command/desk/objectives.ts';
import type { ConfirmOptions, OrderOptions } from '../command/desk/orders.ts';
import type { AckPageOptions, PagesOptions, ReplayOptions } from '../command/desk/pages.ts';
import type { AnswerOptions, BeginOptions, ReasonedOptions, RunOptions, RunsOptions, SayOptions } from '../command/desk/runs.ts';
import type { LookOptions } from '../command/desk/session.ts';
import type { SettleOptions, UnsettleOptions } from '../command/desk/settle.ts';
import type { VerifyOptions } from '../command/verify.ts';
import type { OverrideKind } from '../model.ts';
import { exitWith, type Shell } from './shell.ts';

const gather = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** How each of them finds the API. */
const connects = (command: Command): Command =>
  command
    .option('--endpoint <url>', 'a region to ask; may be said again, the next is asked when one does not answer', gather)
    .option('--client <file>', 'endpoints, tokenFile, caFile, certFile, keyFile (default: ~/.config/tidegate/client.yaml)')
    .option('--token-file <file>', 'the file that holds your token (TIDEGATE_TOKEN_FILE)')
    .option('--ca <file>', "authorities to trust instead of the system's (PEM)")
    .option('--cert <file>', 'your certificate (PEM)')
    .option('--key <file>', 'its key')
    .option('--plain-http', 'send the token over http although others could read it')
    .option('--json', 'one object on stdout');

const confirms = (command: Command): Command =>
  command
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'say what would happen and write nothing')
    .option('--wait', 'until it is decided and written; exit code 5 when that takes too long')
    .option('--timeout <duration>', 'how long to wait', '5m');

const orders = (command: Command): Command =>
  confirms(connects(command))
    .requiredOption('--reason <text>', 'why, in at least ten characters; it is recorded and paged')
    .option('--owner <name>', 'whose order it is; you unless said')
    .option('--ttl <duration>', 'how long it stands, e.g. 30m; 4h unless said, at most 168h')
    .option('--ticket <id>', 'where it is tracked')
    .option('--start <instant>', 'not before, e.g. 2026-11-26T03:00:00Z')
    .option('--break-glass', 'past the safety rules that would refuse it; pages, and may need a second person')
    .option('--drill', 'an exercise: wakes nobody')
    .option('--id <id>', 'its name, to send the same order again after a doubt');

const ORDERS: readonly { kind: OverrideKind; says: string; name: string; wide?: true }[] = [
  { kind: 'drain', name: '<where>', says: 'send no traffic there' },
  { kind: 'force-in', name: '<where>', says: 'take it for up, whatever the votes say' },
  { kind: 'evacuate', name: '<region>', says: 'drain a region in every service and keep it from coordinating' },
  { kind: 'freeze', name: '[where]', says: 'hold the route as it is', wide: true },
  { kind: 'stop', name: '[where]', says: 'end every provider write, while detection goes on', wide: true },
];
const ENDS: readonly { name: string; kinds: readonly OverrideKind[]; says: string }[] = [
  { name: 'undrain', kinds: ['drain', 'evacuate'], says: 'end a drain or an evacuation: traffic returns by the ramp' },
  { name: 'unfreeze', kinds: ['freeze'], says: 'end a freeze' },
  { name: 'resume', kinds: ['stop'], says: 'end a stop: providers are written again' },
];

const begins = (command: Command): Command =>
  connects(command)
    .option('--to <region>', 'the region to be activated; home for a failback, else the next of the priorities')
    .option('--graceful', 'nothing is lost, and the region that is left has to work; so it is unless --ungraceful is said')
    .option('--ungraceful', 'the region that is left is gone, or counts as gone: what it has not handed over is lost')
    .requiredOption('--reason <text>', 'why, in at least ten characters; it is recorded and paged')
    .option('--force-after <duration>', 'of a graceful one: go on ungracefully when it has not ended by then')
    .option('--ticket <id>', 'where it is tracked')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'show the plan and write nothing')
    .option('--wait [duration]', 'tell each step as it ends, for 10m unless said; exit code 5 when that is too short, 1 when it fails');

const says = (command: Command): Command =>
  connects(command).argument('<run>', 'its id').option('-y, --yes', 'do not ask').option('--dry-run', 'show the run and write nothing');

const DEEDS: readonly { deed: 'abort' | 'undo' | 'force'; name: string; says: string }[] = [
  { deed: 'abort', name: 'abort', says: 'begin nothing more of a run: what is under way ends, what is done stays done' },
  { deed: 'undo', name: 'undo-run', says: 'take back what can be of a run, last first' },
  { deed: 'force', name: 'force', says: 'let a graceful run go on ungracefully' },
];

export const addOperating = (program: Command, shell: Shell): void => {
  const look = () => import('../command/desk/look.ts');
  const give = () => import('../command/desk/orders.ts');
  const { console } = shell;

  connects(
    program
      .command('status')
      .description('one screen: is anything wrong, what was decided and why, what is overridden, when was each path last proven'),
  )
    .option('-w, --watch', 'again and again')
    .option('--every <duration>', 'with --watch: how often', '2s')
    .option('--check', 'exit code 3 when something is wrong')
    .action(async (options: StatusOptions) => exitWith((await look()).status(options, console())));
  connects(program.command('explain').description('why it stands as it does: votes, counts, holds, what would change it'))
    .argument('<name>', 'a service, a region, or a pool as SERVICE/POOL')
    .action(async (name: string, options: LookOptions) => exitWith((await look()).explain(name, options, console())));
  connects(program.command('why').description('what a decision rested on, the last one unless said'))
    .argument('[v]', 'its number')
    .option('--list', 'the last decisions instead')
    .option('--limit <n>', 'with --list: how many', '20')
    .action(async (v: string | undefined, options: WhyOptions) => exitWith((await look()).why(v, options, console())));
  connects(program.command('matrix').description('what would happen if a region died, for every region')).action(
    async (options: LookOptions) => exitWith((await look()).matrix(options, console())),
  );
  connects(program.command('simulate').description('what would happen; asks the real rules on a copy of the state'))
    .option('--region-down <region>', 'suppose that it is dead; each of these may be said again', gather)
    .option('--pool-down <service/pool>', 'suppose that it is dead', gather)
    .option('--vantage-cut <region>', 'suppose that its prober hears nothing', gather)
    .option('--override <kind:name>', 'suppose the order, e.g. drain:eu-west', gather)
    .option('--override-gone <id>', 'suppose that the order has ended', gather)
    .option('--horizon <duration>', 'how far to look')
    .action(async (options: SimulateOptions) => exitWith((await look()).simulate(options, console())));
  connects(program.command('events').description('what happens, as it happens; goes on at the next endpoint when one ends'))
    .option('--since-id <id>', 'all that came after it first')
    .option('--types <list>', 'only these, e.g. failover,override.created')
    .action(async (options: EventsOptions) => exitWith((await look()).events(options, console())));

  for (const { kind, name, says, wide } of ORDERS) {
    const command = orders(program.command(kind).description(says)).addArgument(
      new Argument(
        name,
        wide === true
          ? 'a region, a service, or a pool as SERVICE/POOL'
          : kind === 'evacuate'
            ? 'its name'
            : 'a region, or a pool as SERVICE/POOL',
      ),
    );
    if (wide === true) command.option('--all', 'everything');
    command.action(async (named: string | undefined, options: OrderOptions) =>
      exitWith((await give()).order(kind, named, options, console())),
    );
  }
  orders(program.command('pin').description('put shares in place of the configured ones; health still takes from them'))
    .argument('<service>', 'the service')
    .argument('<shares...>', 'POOL=PERCENT for each pool, together 100')
    .action(async (service: string, shares: readonly string[], options: OrderOptions) =>
      exitWith((await give()).pin(service, shares, options, console())),
    );
  for (const { name, kinds, says } of ENDS)
    confirms(connects(program.command(name).description(says)))
      .argument('<order>', 'its id, or what it is about')
      .action(async (named: string, options: ConfirmOptions) => exitWith((await give()).end(kinds, named, options, console())));

  const override = program.command('override').description('orders: those there are, one of them, the second yes, an end');
  connects(override.command('list').description('orders in force and to come')).action(async (options: LookOptions) =>
    exitWith((await look()).overrideList(options, console())),
  );
  connects(override.command('show').description('one order'))
    .argument('<id>')
    .action(async (id: string, options: LookOptions) => exitWith((await look()).overrideShow(id, options, console())));
  confirms(connects(override.command('approve').description("agree to somebody else's order that needs two")))
    .argument('<id>')
    .action(async (id: string, options: ConfirmOptions) => exitWith((await give()).approve(id, options, console())));
  confirms(connects(override.command('end').description('end an order of any kind')))
    .argument('<order>', 'its id, or what it is about')
    .action(async (named: string, options: ConfirmOptions) => exitWith((await give()).end([], named, options, console())));

  const drills = () => import('../command/desk/drills.ts');
  const drill = program
    .command('drill')
    .description('exercises: those there are, one of them, what goes on, an early end, what was measured');
  drill
    .command('list')
    .description('the drills that there are')
    .action(async () => exitWith((await drills()).drillList(console())));
  connects(drill.command('run').description('show a drill and what must hold for it; --yes does it'))
    .argument('<drill>', 'one of tidegate drill list')
    .option('--region <region>', 'the region that is lost, cut off, or whose certificate expires')
    .option('--provider <name>', 'the provider whose credential is revoked')
    .option('--channel <name>', 'the channel of pages that is silenced')
    .option('--inject <command>', 'of a fault that is yours to make: what makes it, by the shell; it is printed, so it names no secret')
    .option('--restore <command>', 'what takes it back; it is run whatever happens, and may be run twice')
    .option('--hook-timeout <duration>', 'how long each of the two may take, at most 30m', '2m')
    .option('--within <duration>', 'in place of the times that are expected by the defaults')
    .requiredOption('--reason <text>', 'why, in at least ten characters; it is recorded')
    .option('--on-call <name>', 'who watches; without it none begins')
    .option('--ttl <duration>', 'when it ends by itself, at most 4h', '15m')
    .option('--timeout <duration>', 'how long to wait once the goal, or the expected time, has passed', '1m')
    .option('--scorecards <folder>', 'where they are kept, as JSON and Markdown', 'drills')
    .option('-y, --yes', 'do it')
    .action(async (name: string, options: DrillOptions) => exitWith((await drills()).run(name, options, console())));
  connects(drill.command('status').description('drills that go on, and faults that are not taken back'))
    .option('--scorecards <folder>', 'where faults that are not taken back are noted', 'drills')
    .action(async (options: LookOptions) => exitWith((await drills()).drillStatus(options, console())));
  confirms(connects(drill.command('abort').description('end a drill early: traffic returns by the ramp, a fault is taken back')))
    .argument('<id>', 'its id')
    .option('--scorecards <folder>', 'where faults that are not taken back are noted', 'drills')
    .option('--hook-timeout <duration>', 'how long the command that takes it back may take, at most 30m', '2m')
    .action(async (id: string, options: ConfirmOptions) => exitWith((await drills()).drillAbort(id, options, console())));
  drill
    .command('history')
    .description('what drills have measured')
    .option('--scorecards <folder>', 'where they are kept', 'drills')
    .option('--json', 'one object on stdout')
    .action(async (options: HistoryOptions) => exitWith((await drills()).drillHistory(options, console())));

  const pages = () => import('../command/desk/pages.ts');
  const paged = program
    .command('pages')
    .description('who was told of what: pages that wait or never arrived, another try, a word that somebody has it');
  connects(paged.command('list', { isDefault: true }).description('pages that wait for somebody, and those that somebody will never have'))
    .addOption(new Option('--state <state>', 'others than those that wait or are dead').choices(['waiting', 'dead', 'open', 'all']))
    .option('--limit <n>', 'how many, the newest first', '100')
    .action(async (options: PagesOptions) => exitWith((await pages()).pages(options, console())));
  connects(paged.command('replay').description('send a page again where a channel would not take it'))
    .argument('<id>', 'its id')
    .requiredOption('--reason <text>', 'why it is worth another try, in at least ten characters; it is recorded')
    .option('--owner <name>', 'who wants it; you unless said')
    .option('--channel <name>', 'through this one, also if it took it; may be said again; all that refused it unless said', gather)
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'say what would be sent and write nothing')
    .action(async (id: string, options: ReplayOptions) => exitWith((await pages()).replay(id, options, console())));
  connects(paged.command('ack').description('say that somebody has the alert of a page: nobody else is woken for it'))
    .argument('<id>', 'its id')
    .option('--reason <text>', 'what should be known of it; it is recorded')
    .option('--owner <name>', 'who has it; you unless said')
    .action(async (id: string, options: AckPageOptions) => exitWith((await pages()).acknowledge(id, options, console())));

  addRuns(program, shell);

  program
    .command('completion')
    .description('a script that completes commands and options; put it where your shell looks')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      '\n  bash: source <(tidegate completion bash)\n  zsh:  tidegate completion zsh > ~/.zfunc/_tidegate\n  fish: tidegate completion fish > ~/.config/fish/completions/tidegate.fish',
    )
    .action(async (kind: 'bash' | 'zsh' | 'fish') => shell.say.out((await import('./completion.ts')).completion(program, kind)));
  program.addOption(new Option('--no-color', 'no colour; so do NO_COLOR and TERM=dumb'));
};

/** Platforms and the runs that move them. */
const addRuns = (program: Command, { console }: Shell): void => {
  const load = () => import('../command/desk/runs.ts');
  const reasoned = (command: Command): Command =>
    says(command).requiredOption('--reason <text>', 'why, in at least ten characters; it is recorded');

  connects(
    program.command('platforms').description('where each platform is active, how ready it is to move, what moves it, what moves took'),
  )
    .argument('[platform]', 'one of them: what its audit found, and its last runs')
    .action(async (name: string | undefined, options: LookOptions) => exitWith((await load()).platforms(name, options, console())));
  connects(
    program.command('objectives').description('what things may take beside what they take, from each region to each, and what helps'),
  )
    .argument('[platform]', 'one of them')
    .option('--check', 'exit code 3 when something is over its bound, or not known')
    .action(async (name: string | undefined, options: ObjectivesOptions) =>
      exitWith((await import('../command/desk/objectives.ts')).objectives(name, options, console())),
    );
  connects(
    program
      .command('verify')
      .description('is a deployment out and does it work: migration, rollout, what stands around it, health, namespaces; writes nothing'),
  )
    .option('-c, --config <file>', "a replica's file: look from here; without it the replica that answers looks")
    .requiredOption('--platform <name>', 'which')
    .option('--region <region>', 'only what is in this one')
    .option('--wait <duration>', 'look again until all is good, e.g. 5m; exit code 5 when it is not by then')
    .action(async (options: VerifyOptions) => exitWith((await import('../command/verify.ts')).verify(options, console())));
  begins(program.command('failover').description('move a platform to another region, by the plan of its model'))
    .argument('<platform>', 'its name')
    .option('--drill', 'an exercise: it moves all the same, and says so')
    .action(async (name: string, options: BeginOptions) => exitWith((await load()).failover(name, options, console())));
  begins(program.command('failback').description('move a platform back home'))
    .argument('<platform>', 'its name')
    .action(async (name: string, options: BeginOptions) => exitWith((await load()).failback(name, options, console())));

  connects(program.command('runs').description('runs that have not ended, and what each asks'))
    .option('--all', 'those that have, too')
    .option('--limit <n>', 'how many, the newest first', '50')
    .action(async (options: RunsOptions) => exitWith((await load()).runs(options, console())));
  connects(program.command('run').description('one run: its steps, measured beside estimated, who agreed, what it waits for'))
    .argument('<run>', 'its id')
    .option('-w, --watch', 'again and again, until it has ended')
    .option('--every <duration>', 'with --watch: how often', '2s')
    .action(async (id: string, options: RunOptions) => exitWith((await load()).run(id, options, console())));

  says(program.command('approve-run').description('agree that a run begins, or that a step of it does'))
    .option('--step <id>', 'a step that asks; what the run asks for, unless said')
    .option('--reason <text>', 'what should be known of it; it is recorded')
    .action(async (id: string, options: SayOptions) => exitWith((await load()).approve(id, options, console())));
  reasoned(program.command('answer').description('say what becomes of a step that asks'))
    .argument('<step>', 'its id')
    .addArgument(new Argument('<choice>', 'try it again, go on without it, or begin nothing more').choices(['retry', 'skip', 'stop']))
    .action(async (id: string, step: string, choice: string, options: AnswerOptions) =>
      exitWith((await load()).answer(id, { ...options, step, choice }, console())),
    );
  const settle = () => import('../command/desk/settle.ts');
  const words = (command: Command): Command =>
    connects(command)
      .argument('<database>', 'as PLATFORM/DATABASE')
      .requiredOption('--reason <text>', 'why, in at least ten characters; it is recorded and paged')
      .option('-y, --yes', 'do not ask')
      .option('--dry-run', 'show what is seen and what it would mean, and write nothing');
  words(
    program
      .command('settle')
      .description('say where a database is written, where no row can prove it or one of two writers never comes back'),
  )
    .requiredOption('--region <region>', 'where it is written')
    .option(
      '--fenced <region>',
      'you answer for it that it takes no writes (gone, fenced by hand, or following); may be said again',
      gather,
    )
    .action(async (named: string, options: SettleOptions) => exitWith((await settle()).settle(named, options, console())));
  words(program.command('unsettle').description('take such a word back: an alarm that it ended rings again, no proof comes back')).action(
    async (named: string, options: UnsettleOptions) => exitWith((await settle()).unsettle(named, options, console())),
  );
  for (const { deed, name, says: what } of DEEDS)
    reasoned(program.command(name).description(what)).action(async (id: string, options: ReasonedOptions) =>
      exitWith((await load()).tell(deed, id, options, console())),
    );
};
