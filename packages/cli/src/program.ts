import { Command } from "commander";
import { accountImportCommand, accountNewCommand } from "./commands/account.ts";
import { baitLayCommand } from "./commands/bait-lay.ts";
import { baitListCommand } from "./commands/bait-list.ts";
import { baitRevealCommand } from "./commands/bait-reveal.ts";
import { challengerStartCommand } from "./commands/challenger-start.ts";
import { chainCommand } from "./commands/chain.ts";
import { claimShowCommand } from "./commands/claim-show.ts";
import { deployCommand } from "./commands/deploy.ts";
import { disputeCommand } from "./commands/dispute.ts";
import { executorStartCommand } from "./commands/executor-start.ts";
import { gatewayStartCommand } from "./commands/gateway-start.ts";
import { inferCommand } from "./commands/infer.ts";
import { modelCalibrateCommand } from "./commands/model-calibrate.ts";
import { modelCheckCommand } from "./commands/model-check.ts";
import { modelCompileCommand } from "./commands/model-compile.ts";
import { modelPublishCommand } from "./commands/model-publish.ts";
import { modelTolerateCommand } from "./commands/model-tolerate.ts";
import { modelVerifyCommand } from "./commands/model-verify.ts";
import { orderCommand } from "./commands/order.ts";
import { payoutCommand } from "./commands/payout.ts";
import { settleCommand } from "./commands/settle.ts";
import { stakeDepositCommand } from "./commands/stake-deposit.ts";
import { stakeShowCommand } from "./commands/stake-show.ts";
import { statusCommand } from "./commands/status.ts";
import { stakeWithdrawCommand } from "./commands/stake-withdraw.ts";

/** The `assay` command with all its subcommands. */
export function assayCommand(): Command {
  const command = new Command("assay")
    .description(
      "verification protocol for AI inference: run ONNX models for others and be held to the result",
    )
    .version("0.1.0");
  const model = new Command("model").description("compile, check, calibrate, publish and verify models");
  for (const sub of [
    modelCompileCommand(),
    modelCheckCommand(),
    modelCalibrateCommand(),
    modelTolerateCommand(),
    modelPublishCommand(),
    modelVerifyCommand(),
  ])
    model.addCommand(sub);
  const claim = new Command("claim").description("look at claims");
  claim.addCommand(claimShowCommand());
  const executor = new Command("executor").description("run models for others");
  executor.addCommand(executorStartCommand());
  const challenger = new Command("challenger").description("hold executors to their claims");
  challenger.addCommand(challengerStartCommand());
  const gateway = new Command("gateway").description("answer signed orders over HTTP");
  gateway.addCommand(gatewayStartCommand());
  const stake = new Command("stake").description("an executor's stake");
  for (const sub of [stakeShowCommand(), stakeDepositCommand(), stakeWithdrawCommand()])
    stake.addCommand(sub);
  const bait = new Command("bait").description("claims that are wrong on purpose, so that checking pays");
  for (const sub of [baitLayCommand(), baitRevealCommand(), baitListCommand()]) bait.addCommand(sub);
  const account = new Command("account").description("encrypted keys");
  for (const sub of [accountNewCommand(), accountImportCommand()]) account.addCommand(sub);
  const top = [
    chainCommand(),
    deployCommand(),
    model,
    executor,
    challenger,
    gateway,
    inferCommand(),
    orderCommand(),
    claim,
    disputeCommand(),
    settleCommand(),
    bait,
    stake,
    statusCommand(),
    account,
    payoutCommand(),
  ];
  for (const sub of top) command.addCommand(sub);
  // Errors are thrown instead of ending the process, so that exit codes are decided in one place (main.ts).
  const configure = (each: Command): void => {
    each.exitOverride();
    each.showHelpAfterError("(--help shows the options and an example)");
    each.commands.forEach(configure);
  };
  configure(command);
  return command;
}
