// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {Data, DataPage, Page} from "../proof/DataPage.sol";
import {TensorProof} from "../proof/TensorProof.sol";
import {DemandFixture} from "../../test/solidity/protocol/DemandFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Phase} from "./ClaimLife.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {DemandStatus, IDataDemands} from "./IDataDemands.sol";
import {IReferee} from "./IReferee.sol";

/// @notice Demands of data: what they cost whom, who is slashed, and that an honest executor never is.
contract DataDemandsTest is DemandFixture {
    uint256 internal constant FREE = 5 * COLLATERAL;
    /// @dev Three tensor roots: reward, and the quarter of it that is burned.
    uint256 internal constant REWARD = DATA_PRICE * (3 + 256);
    uint256 internal constant BURN = REWARD / 4;

    function test_demandData_answered_paysTheAnswererAndBurns() public {
        bytes32 claimId = _eager(_trace());
        uint64 proofEnd = time + PROOF_WINDOW;
        (uint256 reward, uint256 burned) = referee.demandPrice(claimId, 3);
        _equal(reward, REWARD, "reward");
        _equal(burned, BURN, "burned");
        uint64 answerBy = _demand(claimId, challenger, _roots());
        _equal(answerBy, time + ANSWER_WINDOW, "answerBy");
        _equal(token.balanceOf(challenger), FUNDS - REWARD - BURN, "bond");
        _equal(market.claimOf(claimId).proofEnd, proofEnd + ANSWER_WINDOW + PROOF_WINDOW, "proofEnd");
        _show(claimId, anyone, _roots());
        // Anybody who has the data may show it, so the executor need not be there.
        _equal(stakes.accountOf(anyone).payout, REWARD, "answerer's payout");
        _equal(stakes.accountOf(stakes.BURN_ADDRESS()).payout, BURN, "burn");
        _pass(2 * PROOF_WINDOW + ANSWER_WINDOW);
        market.finalise(claimId);
        _checkMoney(FREE, FEE, 0, 0, 0, ROYALTY, BURN);
        _equal(_held(), 0, "held");
    }

    /// @notice P1: whatever exists of an honest claim can be shown, each page once.
    function test_demandData_everyPageOfAnHonestClaim_canBeAnswered() public {
        bytes32 claimId = _eager(_trace());
        Page[11] memory pages = [
            _roots(),
            _chunks(0, 0),
            _chunks(1, 0),
            _chunks(1, 1),
            Page(Data.Trace, 1, 1, 0),
            _chunks(2, 0),
            _inputPage(),
            Page(Data.Input, ROOTS, 0, 0),
            Page(Data.Output, 0, 0, 0),
            Page(Data.Output, 1, 0, 0),
            Page(Data.Output, ROOTS, 0, 0)
        ];
        for (uint256 i; i < pages.length; ++i) _demand(claimId, challenger, pages[i]);
        _equal(market.claimOf(claimId).openDemands, pages.length, "open demands");
        for (uint256 i; i < pages.length; ++i) _show(claimId, executor, pages[i]);
        _equal(market.claimOf(claimId).openDemands, 0, "open demands");
        for (uint256 i; i < pages.length; ++i)
            _reverts(
                address(referee),
                challenger,
                _demandCall(claimId, pages[i]),
                abi.encodeWithSelector(
                    IDataDemands.AlreadyDemanded.selector,
                    referee.demandIdOf(claimId, pages[i])
                )
            );
        _pass(2 * PROOF_WINDOW + ANSWER_WINDOW);
        market.finalise(claimId);
        _checkPhase(claimId, Phase.Finalised);
    }

    // --- fake demands: what an honest executor could not answer is refused ---

    function test_fakeDataDemand_ofPagesThatDoNotExist_reverts() public {
        bytes32 claimId = _eager(_trace());
        _refused(claimId, Page(Data.Trace, ROOTS, 0, 1), _noPage(0, 1, 3));
        _refused(claimId, Page(Data.Trace, ROOTS, 1, 0), _noPage(1, 0, 3));
        _refused(claimId, _chunks(1, 2), _noPage(0, 2, BIG_CHUNKS));
        _refused(claimId, Page(Data.Trace, 1, 1, 1), _noPage(1, 1, BIG_CHUNKS));
        _refused(claimId, Page(Data.Trace, 1, 2, 0), _noPage(2, 0, BIG_CHUNKS));
        _refused(claimId, Page(Data.Trace, 2, 1, 0), _noPage(1, 0, 1));
        _refused(claimId, Page(Data.Input, 0, 0, 1), _noPage(0, 1, 1));
        _refused(
            claimId,
            Page(Data.Trace, 3, 0, 0),
            abi.encodeWithSelector(IDataDemands.UnknownTensor.selector, Data.Trace, 3, 3)
        );
        _refused(
            claimId,
            Page(Data.Input, 1, 0, 0),
            abi.encodeWithSelector(IDataDemands.UnknownTensor.selector, Data.Input, 1, 1)
        );
        _refused(
            claimId,
            Page(Data.Output, 2, 0, 0),
            abi.encodeWithSelector(IDataDemands.UnknownTensor.selector, Data.Output, 2, 2)
        );
        _checkPhase(claimId, Phase.Provable);
        require(!market.claimOf(claimId).extended, "refused demands put nothing off");
    }

    /// @notice The length of a trace value is its instruction's, and only the program's instruction says so.
    function test_fakeDataDemand_withAnotherInstruction_reverts() public {
        bytes32 claimId = _eager(_trace());
        bytes memory call = abi.encodeCall(
            IDataDemands.demandData,
            (claimId, _chunks(0, 0), _instruction(1), _instructionPath(0), type(uint256).max)
        );
        (bool ok, bytes memory result) = address(referee).call(call);
        require(!ok && bytes4(result) == TensorProof.RootMismatch.selector, "another instruction");
        call = abi.encodeCall(
            IDataDemands.demandData,
            (claimId, _chunks(0, 0), "", new bytes32[](0), type(uint256).max)
        );
        (ok, result) = address(referee).call(call);
        require(!ok && bytes4(result) == TensorProof.PathLengthMismatch.selector, "no instruction");
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(
                IDataDemands.demandData,
                (claimId, _roots(), _instruction(0), _instructionPath(0), type(uint256).max)
            ),
            abi.encodeWithSelector(IDataDemands.UnexpectedInstruction.selector)
        );
    }

    function test_fakeDataDemand_ofATraceNobodyKnows_reverts() public {
        bytes32 claimId = _lazy();
        _refused(claimId, _roots(), _wrongPhase(claimId, Phase.Open));
        _challenge(claimId, challenger);
        _refused(claimId, _roots(), _wrongPhase(claimId, Phase.AwaitingReveal));
        _pass(REVEAL_WINDOW);
        _refused(claimId, _inputPage(), _wrongPhase(claimId, Phase.Unrevealed));
        _refused(
            "none",
            _inputPage(),
            abi.encodeWithSelector(IClaimBook.UnknownClaim.selector, bytes32("none"))
        );
    }

    function test_fakeDataDemand_ofASettledClaim_reverts() public {
        bytes32 claimId = _lazy();
        _pass(CHALLENGE_WINDOW);
        _refused(claimId, _inputPage(), _wrongPhase(claimId, Phase.Finalisable));
        market.finalise(claimId);
        _refused(claimId, _inputPage(), _wrongPhase(claimId, Phase.Finalised));
    }

    // --- answers ---

    function test_answerData_withPadding_isNoAnswer() public {
        // Committed with something behind the last element: no honest executor's tree has it.
        bytes memory padded = bytes.concat(OUTPUT_Z, new bytes(27), hex"01");
        bytes32 claimId = _eager(_traceWith(sha256(padded)));
        uint64 answerBy = _demand(claimId, challenger, _chunks(0, 0));
        (bytes memory nodes, bytes32[] memory path) = _answer(_chunks(0, 0));
        _reverts(
            address(referee),
            executor,
            abi.encodeCall(IDataDemands.answerData, (claimId, _chunks(0, 0), padded, path)),
            abi.encodeWithSelector(DataPage.PaddingNotZero.selector, _lastChunk(padded))
        );
        // Nor do the same bytes with zeros lead to what was committed.
        (bool ok, bytes memory result) = address(referee).call(
            abi.encodeCall(IDataDemands.answerData, (claimId, _chunks(0, 0), nodes, path))
        );
        require(!ok && bytes4(result) == IDataDemands.WrongData.selector, "zeros");
        _pass(answerBy - time);
        referee.settleWithheld(claimId, _chunks(0, 0));
        _checkPhase(claimId, Phase.Slashed);
        _checkMoney(FREE - COLLATERAL, 0, COMPENSATION + FEE + ROYALTY, _bondOf(2) + BOUNTY, 0, 0, BURNED);
    }

    function test_answerData_underAnotherPage_isNoAnswer() public {
        bytes32 claimId = _eager(_trace());
        Page memory top = Page(Data.Trace, 1, 1, 0);
        _demand(claimId, challenger, top);
        _demand(claimId, challenger, _chunks(1, 1));
        // Chunks in place of the nodes above them.
        (bytes memory nodes, bytes32[] memory path) = _answer(_chunks(1, 1));
        _reverts(
            address(referee),
            executor,
            abi.encodeCall(IDataDemands.answerData, (claimId, top, nodes, path)),
            abi.encodeWithSelector(DataPage.PageLengthMismatch.selector, 6 * 32, 2 * 32)
        );
        // Another page of the same level: the first six chunks.
        (bytes memory others, ) = _answer(_chunks(1, 0));
        bytes memory six = new bytes(6 * 32);
        for (uint256 i; i < six.length - 12; ++i) six[i] = others[i];
        _wrongData(claimId, _chunks(1, 1), six, path);
        // The right nodes on the wrong path.
        (path[0], path[1]) = (path[1], path[0]);
        _wrongData(claimId, _chunks(1, 1), nodes, path);
        // An answer to what nobody has demanded.
        _reverts(
            address(referee),
            executor,
            _answerCall(claimId, _chunks(1, 0)),
            _notOpen(claimId, _chunks(1, 0), DemandStatus.None)
        );
    }

    function test_answerData_twice_reverts() public {
        bytes32 claimId = _eager(_trace());
        _demand(claimId, challenger, _roots());
        _show(claimId, executor, _roots());
        bytes memory closed = _notOpen(claimId, _roots(), DemandStatus.Answered);
        _reverts(address(referee), executor, _answerCall(claimId, _roots()), closed);
        bytes memory settle = abi.encodeCall(IDataDemands.settleWithheld, (claimId, _roots()));
        _pass(ANSWER_WINDOW);
        _reverts(address(referee), challenger, settle, closed);
        settle = abi.encodeCall(IDataDemands.reclaimDemand, (claimId, _roots()));
        _reverts(address(referee), challenger, settle, closed);
    }

    // --- last seconds ---

    function test_demandData_atTheLastSecond_leavesTimeForAnswerAndProof() public {
        bytes32 claimId = _eager(_trace());
        uint64 demandEnd = time + PROOF_WINDOW;
        _pass(PROOF_WINDOW - 1);
        uint64 answerBy = _demand(claimId, challenger, _roots());
        uint64 proofEnd = market.claimOf(claimId).proofEnd;
        _equal(proofEnd, demandEnd + ANSWER_WINDOW + PROOF_WINDOW, "proofEnd");
        require(proofEnd > answerBy + PROOF_WINDOW, "a whole proof window after the last answer");
        _pass(1);
        // The end is as it was: what was demanded has not put it off.
        _refused(
            claimId,
            _chunks(0, 0),
            abi.encodeWithSelector(IClaimBook.DemandWindowOver.selector, claimId, demandEnd, demandEnd)
        );
        _pass(answerBy - 1 - time);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IDataDemands.settleWithheld, (claimId, _roots())),
            abi.encodeWithSelector(
                IDataDemands.AnswerNotOverdue.selector,
                referee.demandIdOf(claimId, _roots()),
                answerBy - 1,
                answerBy
            )
        );
        _show(claimId, executor, _roots());
        _pass(proofEnd - 1 - time);
        _checkPhase(claimId, Phase.Provable);
        _pass(1);
        market.finalise(claimId);
    }

    function test_answerData_atAnswerBy_isTooLate() public {
        bytes32 claimId = _eager(_trace());
        uint64 answerBy = _demand(claimId, challenger, _roots());
        _pass(ANSWER_WINDOW);
        _reverts(
            address(referee),
            executor,
            _answerCall(claimId, _roots()),
            abi.encodeWithSelector(
                IDataDemands.AnswerTooLate.selector,
                referee.demandIdOf(claimId, _roots()),
                answerBy,
                answerBy
            )
        );
        vm.prank(anyone);
        referee.settleWithheld(claimId, _roots());
        // Bond back and bounty to the demander, whoever calls.
        _checkMoney(FREE - COLLATERAL, 0, COMPENSATION + FEE + ROYALTY, REWARD + BURN + BOUNTY, 0, 0, BURNED);
    }

    function test_withheld_nobodyCalls_neverFinalises() public {
        bytes32 claimId = _eager(_trace());
        _proveElement(claimId, prover, Verdict.Imprecise);
        _demand(claimId, challenger, _roots());
        _pass(3 * PROOF_WINDOW);
        _checkPhase(claimId, Phase.Withheld);
        bytes memory withheld = _wrongPhase(claimId, Phase.Withheld);
        _reverts(address(market), executor, abi.encodeCall(IClaimBook.finalise, (claimId)), withheld);
        _reverts(address(referee), executor, abi.encodeCall(IReferee.settleImprecise, (claimId)), withheld);
        _refused(claimId, _chunks(0, 0), withheld);
        // INVARIANT I8: anybody ends it.
        vm.prank(anyone);
        referee.settleWithheld(claimId, _roots());
        _checkPhase(claimId, Phase.Slashed);
    }

    function test_withheld_otherDemandsGetTheirBondsBack() public {
        bytes32 claimId = _eager(_trace());
        _demand(claimId, challenger, _roots());
        _pass(10);
        _demand(claimId, prover, _chunks(0, 0));
        bytes memory reclaim = abi.encodeCall(IDataDemands.reclaimDemand, (claimId, _chunks(0, 0)));
        _pass(ANSWER_WINDOW - 10);
        _reverts(address(referee), prover, reclaim, _wrongPhase(claimId, Phase.Provable));
        referee.settleWithheld(claimId, _roots());
        // Too late for an answer: the claim is settled, and the demander must have its bond.
        _reverts(
            address(referee),
            executor,
            _answerCall(claimId, _chunks(0, 0)),
            _wrongPhase(claimId, Phase.Slashed)
        );
        vm.prank(anyone);
        referee.reclaimDemand(claimId, _chunks(0, 0));
        _equal(stakes.accountOf(prover).payout, _bondOf(2), "bond");
        _equal(_held(), 0, "held");
        _reverts(address(referee), prover, reclaim, _notOpen(claimId, _chunks(0, 0), DemandStatus.Returned));
    }

    /// @notice A fraud proof needs no answers, and an open demand does not stand in its way.
    function test_proveElement_withDemandsOpen_slashesForTheProver() public {
        bytes32 claimId = _eager(_trace());
        _demand(claimId, challenger, _roots());
        _pass(PROOF_WINDOW);
        _proveElement(claimId, prover, Verdict.Fraudulent);
        _equal(stakes.accountOf(prover).payout, BOUNTY, "bounty");
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IDataDemands.settleWithheld, (claimId, _roots())),
            _wrongPhase(claimId, Phase.Slashed)
        );
        referee.reclaimDemand(claimId, _roots());
        _equal(stakes.accountOf(challenger).payout, REWARD + BURN, "bond");
    }

    // --- inputs, and every state of a challenge ---

    /// @notice The input is behind a dead URI: whoever wants to check the claim demands it before it challenges.
    function test_demandInput_beforeAChallenge_leavesTimeToChallenge() public {
        bytes32 claimId = _lazy();
        uint64 challengeEnd = time + CHALLENGE_WINDOW;
        _pass(CHALLENGE_WINDOW - 1);
        uint64 answerBy = _demand(claimId, challenger, _inputPage());
        _equal(market.claimOf(claimId).challengeEnd, challengeEnd + 2 * ANSWER_WINDOW, "challengeEnd");
        _pass(1);
        _refused(
            claimId,
            Page(Data.Output, 0, 0, 0),
            abi.encodeWithSelector(IClaimBook.DemandWindowOver.selector, claimId, challengeEnd, challengeEnd)
        );
        _pass(answerBy - 1 - time);
        _show(claimId, executor, _inputPage());
        _pass(ANSWER_WINDOW);
        _challenge(claimId, challenger);
        _reveal(claimId, _trace());
        // The trace has windows of its own.
        require(!market.claimOf(claimId).extended, "extended");
        _equal(market.claimOf(claimId).proofEnd, time + PROOF_WINDOW, "proofEnd");
        _demand(claimId, challenger, _roots());
        _equal(market.claimOf(claimId).proofEnd, time + 2 * PROOF_WINDOW + ANSWER_WINDOW, "proofEnd put off");
    }

    function test_demandInput_neverShown_slashesWithoutAChallenge() public {
        bytes32 claimId = _lazy();
        _demand(claimId, challenger, _inputPage());
        _pass(ANSWER_WINDOW);
        _checkPhase(claimId, Phase.Open);
        referee.settleWithheld(claimId, _inputPage());
        _checkMoney(FREE - COLLATERAL, 0, COMPENSATION + FEE + ROYALTY, _bondOf(1) + BOUNTY, 0, 0, BURNED);
    }

    function test_demandInput_neverShown_isWithheldAtTheEnd() public {
        bytes32 claimId = _lazy();
        _demand(claimId, challenger, _inputPage());
        _pass(CHALLENGE_WINDOW + 2 * ANSWER_WINDOW);
        _checkPhase(claimId, Phase.Withheld);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.challenge, (claimId)),
            _wrongPhase(claimId, Phase.Withheld)
        );
        referee.settleWithheld(claimId, _inputPage());
        _checkPhase(claimId, Phase.Slashed);
    }

    function test_demandInput_whileARevealIsOwed() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW - 1);
        _demand(claimId, challenger, _inputPage());
        _reveal(claimId, _trace());
        _show(claimId, executor, _inputPage());
        _checkPhase(claimId, Phase.Provable);
        // Never revealed: either reason will do, and the bonds of both come back.
        claimId = _lazy();
        _challenge(claimId, prover);
        _demand(claimId, challenger, _inputPage());
        _pass(REVEAL_WINDOW);
        _checkPhase(claimId, Phase.Unrevealed);
        referee.settleUnrevealed(claimId);
        referee.reclaimDemand(claimId, _inputPage());
        referee.reclaimBond(claimId, prover);
        // What is left is the challenger's bond in the first claim, and its request's escrow.
        _equal(_held(), BOND + FEE + ROYALTY, "held");
    }

    // --- flooding ---

    /// @notice Each 64th of the answer window by which an executor is behind doubles the burn; time takes it back.
    function test_demandFlooding_getsDearer() public {
        bytes32 claimId = _eager(_trace());
        uint256 step = ANSWER_WINDOW / 64; // 18 s; a demand keeps busy for 10 s
        _equal(referee.busyUntil(executor), 0, "busy");
        _demand(claimId, challenger, _chunks(0, 0));
        _demand(claimId, challenger, _chunks(2, 0));
        _equal(referee.busyUntil(executor), time + 2 * DEMAND_INTERVAL, "busy");
        (uint256 reward, uint256 burned) = referee.demandPrice(claimId, 3);
        _equal(reward, REWARD, "the reward stays");
        _equal(burned, 2 * BURN, "the burn doubles");
        // Of another claim as well: an executor has two hands, whatever it has claimed.
        bytes32 other = _eager(_trace());
        (, burned) = referee.demandPrice(other, 3);
        _equal(burned, (REWARD / 4) << 1, "other claim");
        for (uint256 i; i < 5; ++i) {
            Page[5] memory pages = [
                _roots(),
                _chunks(0, 0),
                _chunks(1, 1),
                _chunks(2, 0),
                Page(Data.Output, 0, 0, 0)
            ];
            _demand(other, challenger, pages[i]);
        }
        _equal(referee.busyUntil(executor), time + 70, "busy");
        (, burned) = referee.demandPrice(claimId, 3);
        _equal(burned, (REWARD / 4) << (70 / step), "eightfold");
        // The first demands have put proofEnd off; the others have not.
        _equal(market.claimOf(other).proofEnd, time + 2 * PROOF_WINDOW + ANSWER_WINDOW, "one extension");
        _pass(70);
        (, burned) = referee.demandPrice(claimId, 3);
        _equal(burned, REWARD / 4, "cheap again");
    }

    function test_demandData_dearerThanExpected_reverts() public {
        bytes32 claimId = _eager(_trace());
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(
                IDataDemands.demandData,
                (claimId, _roots(), "", new bytes32[](0), REWARD + BURN - 1)
            ),
            abi.encodeWithSelector(IDataDemands.BondAboveMax.selector, REWARD + BURN, REWARD + BURN - 1)
        );
        vm.prank(challenger);
        referee.demandData(claimId, _roots(), "", new bytes32[](0), REWARD + BURN);
    }

    /// @notice An executor that demands from itself, to raise the price for others, pays the burn each time.
    function test_selfDemand_answered_costsTheBurn() public {
        bytes32 claimId = _eager(_trace());
        _demand(claimId, executor, _roots());
        _show(claimId, executor, _roots());
        uint256 spent = FUNDS - 5 * COLLATERAL - token.balanceOf(executor);
        _equal(spent - stakes.accountOf(executor).payout, BURN, "cost");
    }

    /// @notice Nor does it gain by slashing itself before others do.
    function test_selfDemand_withheld_costsWhatIsNotBounty() public {
        bytes32 claimId = _eager(_trace());
        _demand(claimId, executor, _roots());
        _pass(ANSWER_WINDOW);
        vm.prank(executor);
        referee.settleWithheld(claimId, _roots());
        _checkMoney(FREE - COLLATERAL, REWARD + BURN + BOUNTY, COMPENSATION + FEE + ROYALTY, 0, 0, 0, BURNED);
    }

    /// @notice The longest life: every window used to its last second, both ends put off.
    function test_longestLife_worstCase() public {
        bytes32 claimId = _lazy();
        uint64 posted = time;
        _demand(claimId, challenger, _inputPage());
        _show(claimId, executor, _inputPage());
        _pass(CHALLENGE_WINDOW + 2 * ANSWER_WINDOW - 1);
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW - 1);
        _reveal(claimId, _trace());
        _pass(PROOF_WINDOW - 1);
        _demand(claimId, challenger, _roots());
        uint64 proofEnd = market.claimOf(claimId).proofEnd;
        _equal(proofEnd, posted + market.longestClaimLife() - 2, "longest life");
        _pass(proofEnd - time);
        referee.settleWithheld(claimId, _roots());
        require(market.longestClaimLife() < stakes.withdrawalDelay(), "withdrawal delay");
    }

    // --- parts ---

    function _refused(bytes32 claimId, Page memory page, bytes memory expected) private {
        _reverts(address(referee), challenger, _demandCall(claimId, page), expected);
    }

    function _wrongData(
        bytes32 claimId,
        Page memory page,
        bytes memory nodes,
        bytes32[] memory path
    ) private {
        (bool ok, bytes memory result) = address(referee).call(
            abi.encodeCall(IDataDemands.answerData, (claimId, page, nodes, path))
        );
        require(!ok && bytes4(result) == IDataDemands.WrongData.selector, "expected WrongData");
    }

    function _noPage(uint8 height, uint64 index, uint256 chunks) private pure returns (bytes memory) {
        return abi.encodeWithSelector(DataPage.PageOutOfRange.selector, height, index, chunks);
    }

    function _wrongPhase(bytes32 claimId, Phase phase) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IClaimBook.WrongPhase.selector, claimId, phase);
    }

    function _notOpen(
        bytes32 claimId,
        Page memory page,
        DemandStatus status
    ) private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IDataDemands.DemandNotOpen.selector,
                referee.demandIdOf(claimId, page),
                status
            );
    }

    /// @dev Bond of a page of so many nodes while the executor is not busy.
    function _bondOf(uint256 nodes) private pure returns (uint256) {
        uint256 reward = DATA_PRICE * (nodes + 256);
        return reward + reward / 4;
    }

    function _lastChunk(bytes memory data) private pure returns (bytes32 chunk) {
        assembly ("memory-safe") {
            chunk := mload(add(data, mload(data)))
        }
    }
}
