// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {BatchFixture} from "../../test/solidity/protocol/BatchFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {BatchData, BatchEntry, BatchHeader} from "./BatchData.sol";
import {Phase} from "./ClaimLife.sol";
import {BatchState, IBatchMarket} from "./IBatchMarket.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {IReferee} from "./IReferee.sol";
import {IStakeManager} from "./IStakeManager.sol";

/// @notice Batches in calldata from posting to their end, and their entries one by one. (Blobs: test/batches.test.ts.)
contract BatchMarketTest is BatchFixture {
    uint256 private constant FREE = 5 * COLLATERAL;

    function _refused(address caller, bytes memory data, bytes memory expected) private {
        _reverts(address(batches), caller, data, expected);
    }

    function _postCall(
        BatchHeader memory header,
        BatchEntry[] memory entries,
        bytes memory signature
    ) private pure returns (bytes memory) {
        return abi.encodeCall(IBatchMarket.postBatchInCalldata, (header, _data(entries), signature));
    }

    function _openCall(
        BatchHeader memory header,
        uint256 index,
        BatchEntry memory entry,
        bytes memory opening
    ) private pure returns (bytes memory) {
        return abi.encodeCall(IBatchMarket.openClaim, (header, index, entry, opening));
    }

    // --- posting ---

    function test_post_locksTheCollateralOfAll() public {
        BatchHeader memory header = _postBatch(_entries(3));
        _equal(stakes.accountOf(executor).locked, 3 * COLLATERAL, "locked");
        _equal(stakes.accountOf(executor).free, FREE - 3 * COLLATERAL, "free");
        BatchState memory batch = batches.batchOf(batches.batchIdOf(header));
        require(batch.executor == executor && batch.count == 3 && batch.opened == 0, "state");
        _equal(batch.challengeEnd, time + CHALLENGE_WINDOW, "challengeEnd");
    }

    function test_post_moreThanTheStake_reverts() public {
        BatchEntry[] memory entries = _entries(6);
        _refused(
            executor,
            _postCall(_header(entries), entries, ""),
            abi.encodeWithSelector(
                IStakeManager.InsufficientFreeStake.selector,
                executor,
                FREE,
                6 * COLLATERAL
            )
        );
    }

    function test_post_bySignature_onlyTheExecutorsAndOnce() public {
        BatchEntry[] memory entries = _entries(2);
        BatchHeader memory header = _header(entries);
        bytes32 batchId = batches.batchIdOf(header);
        bytes memory invalid = abi.encodeWithSelector(
            IBatchMarket.InvalidBatchSignature.selector,
            executor,
            batchId
        );
        _refused(anyone, _postCall(header, entries, ""), invalid);
        _refused(anyone, _postCall(header, entries, _sign(REQUESTER_KEY, batchId)), invalid);
        bytes memory signature = _sign(EXECUTOR_KEY, batchId);
        vm.prank(anyone);
        batches.postBatchInCalldata(header, _data(entries), signature);
        _refused(
            anyone,
            _postCall(header, entries, signature),
            abi.encodeWithSelector(IBatchMarket.BatchExists.selector, batchId)
        );
    }

    function test_post_dataThatIsNotTheRoots_reverts() public {
        BatchEntry[] memory entries = _entries(3);
        BatchHeader memory header = _header(entries);
        bytes32 root = header.dataRoot;
        header.dataRoot = "another";
        _refused(
            executor,
            _postCall(header, entries, ""),
            abi.encodeWithSelector(BatchData.DataRootMismatch.selector, bytes32("another"), root)
        );
        header.count = 4;
        _refused(
            executor,
            _postCall(header, entries, ""),
            abi.encodeWithSelector(BatchData.DataLengthMismatch.selector, 372, 496)
        );
    }

    function test_post_wrongForm_reverts() public {
        BatchEntry[] memory entries = _entries(1);
        BatchHeader memory header = _header(entries);
        header.programRoots[0] = "unpublished";
        _refused(
            executor,
            _postCall(header, entries, ""),
            abi.encodeWithSelector(IModelRegistry.UnknownProgram.selector, bytes32("unpublished"))
        );
        header = _header(new BatchEntry[](1));
        header.count = 0;
        header.dataRoot = 0;
        _refused(
            executor,
            abi.encodeCall(IBatchMarket.postBatch, (header, 0, "")),
            abi.encodeWithSelector(IBatchMarket.EmptyBatch.selector)
        );
        header = _header(entries);
        header.blobHashes = new bytes32[](1);
        _refused(
            executor,
            _postCall(header, entries, ""),
            abi.encodeWithSelector(IBatchMarket.WrongBatchForm.selector, 1, 0)
        );
        _refused(
            executor,
            abi.encodeCall(IBatchMarket.postBatch, (header, 0, "")),
            abi.encodeWithSelector(IBatchMarket.WrongBatchForm.selector, 1, 1)
        );
        header.dataRoot = 0;
        // Not even a blob hash of 0 is there in a transaction without blobs.
        _refused(
            executor,
            abi.encodeCall(IBatchMarket.postBatch, (header, 0, "")),
            abi.encodeWithSelector(IBatchMarket.BlobMissing.selector, 0, bytes32(0), bytes32(0))
        );
    }

    // --- one by one ---

    function test_open_unrevealed_isSlashedAlone() public {
        BatchEntry[] memory entries = _entries(3);
        BatchHeader memory header = _postBatch(entries);
        bytes32 claimId = _open(header, entries, 1);
        require(claimId == _claimIdOf(header, entries[1]), "claim id");
        vm.prank(challenger);
        batchReferee.challenge(claimId);
        _pass(REVEAL_WINDOW);
        batchReferee.settleUnrevealed(claimId);
        batchReferee.reclaimBond(claimId, challenger);
        _equal(stakes.accountOf(executor).locked, 2 * COLLATERAL, "the others' collateral");
        _finaliseBatch(header);
        _checkMoney(FREE - COLLATERAL, 0, COMPENSATION, BOUNTY + BOND, 0, 0, BURNED);
        _equal(stakes.accountOf(executor).locked, 0, "locked");
        _equal(uint256(batches.phaseOf(claimId)), uint256(Phase.Slashed), "phase");
        batches.requireFinal(header, 0, entries[0], _path(entries, 0));
        _refused(
            anyone,
            abi.encodeCall(IBatchMarket.requireFinal, (header, 1, entries[1], _path(entries, 1))),
            abi.encodeWithSelector(IBatchMarket.NotFinal.selector, batches.batchIdOf(header), claimId)
        );
    }

    function test_open_proven_isSlashed() public {
        BatchEntry[] memory entries = _entries(2);
        BatchHeader memory header = _postBatch(entries);
        bytes32 claimId = _openAndReveal(header, entries, 0);
        _prove(claimId, Verdict.Fraudulent);
        _equal(uint256(batches.phaseOf(claimId)), uint256(Phase.Slashed), "phase");
        (, uint256 settled, ) = batches.channelOf(requester, executor);
        _equal(settled, PRICE, "the price is set off");
        _equal(stakes.accountOf(requester).payout, COMPENSATION, "compensation");
    }

    function test_open_imprecise_isVoidedWithoutStake() public {
        BatchEntry[] memory entries = _entries(2);
        BatchHeader memory header = _postBatch(entries);
        bytes32 claimId = _openAndReveal(header, entries, 0);
        _prove(claimId, Verdict.Imprecise);
        _pass(PROOF_WINDOW);
        batchReferee.settleImprecise(claimId);
        _finaliseBatch(header);
        _equal(stakes.accountOf(executor).free, FREE, "stake");
        (, uint256 settled, ) = batches.channelOf(requester, executor);
        _equal(settled, PRICE - VOID_CAP, "set off");
        _equal(batches.voidCostsOf(executor), VOID_CAP, "the prover's cost");
        _refused(
            anyone,
            abi.encodeCall(IBatchMarket.requireFinal, (header, 0, entries[0], _path(entries, 0))),
            abi.encodeWithSelector(IBatchMarket.NotFinal.selector, batches.batchIdOf(header), claimId)
        );
    }

    function test_open_failedChallenge_finalises() public {
        BatchEntry[] memory entries = _entries(2);
        BatchHeader memory header = _postBatch(entries);
        bytes32 claimId = _openAndReveal(header, entries, 1);
        _pass(PROOF_WINDOW);
        _finaliseBatch(header);
        _equal(stakes.accountOf(executor).locked, COLLATERAL, "only the opened one's");
        bytes memory asked = abi.encodeCall(
            IBatchMarket.requireFinal,
            (header, 1, entries[1], _path(entries, 1))
        );
        _refused(
            anyone,
            asked,
            abi.encodeWithSelector(IBatchMarket.NotFinal.selector, batches.batchIdOf(header), claimId)
        );
        batches.finalise(claimId);
        require(
            batches.requireFinal(header, 1, entries[1], _path(entries, 1)) == claimId,
            "final claim's id"
        );
        _checkMoney(FREE, BOND, 0, 0, 0, 0, 0);
    }

    function test_open_sameClaimInTwoBatches_isOneClaim() public {
        BatchEntry[] memory entries = _entries(1);
        BatchHeader memory first = _postBatch(entries);
        BatchHeader memory second = _postBatch(entries);
        bytes32 claimId = _open(first, entries, 0);
        _refused(
            anyone,
            _openCall(second, 0, entries[0], ""),
            abi.encodeWithSelector(IBatchMarket.AlreadyOpened.selector, claimId)
        );
        vm.prank(challenger);
        batchReferee.challenge(claimId);
        _pass(REVEAL_WINDOW);
        batchReferee.settleUnrevealed(claimId);
        _finaliseBatch(second);
        _finaliseBatch(first);
        // Slashed once, final nowhere.
        _equal(stakes.accountOf(executor).free, FREE - COLLATERAL, "free");
        _refused(
            anyone,
            abi.encodeCall(IBatchMarket.requireFinal, (second, 0, entries[0], "")),
            abi.encodeWithSelector(IBatchMarket.NotFinal.selector, batches.batchIdOf(second), claimId)
        );
    }

    function test_open_whatIsNotThere_reverts() public {
        BatchEntry[] memory entries = _entries(3);
        BatchHeader memory header = _postBatch(entries);
        bytes memory path = _path(entries, 1);
        _refused(
            anyone,
            _openCall(header, 3, entries[1], path),
            abi.encodeWithSelector(BatchData.IndexOutOfRange.selector, 3, 3)
        );
        _refused(
            anyone,
            _openCall(header, 1, entries[1], bytes.concat(path, path)),
            abi.encodeWithSelector(BatchData.OpeningLengthMismatch.selector, 128, 64)
        );
        BatchEntry memory entry = entries[1];
        entry.outputRoot = "another";
        (bool ok, ) = address(batches).call(_openCall(header, 1, entry, path));
        require(!ok, "another output was opened");
        (ok, ) = address(batches).call(_openCall(header, 0, entries[0], path));
        require(!ok, "another path was taken");
        header.nonce = 0;
        _refused(
            anyone,
            _openCall(header, 1, entries[1], path),
            abi.encodeWithSelector(IBatchMarket.UnknownBatch.selector, batches.batchIdOf(header))
        );
        header = _postBatch(entries = _withProgram(_entries(1), 1));
        _refused(
            anyone,
            _openCall(header, 0, entries[0], ""),
            abi.encodeWithSelector(IBatchMarket.ProgramOutOfRange.selector, 1, 1)
        );
        _refused(
            anyone,
            abi.encodeCall(IBatchMarket.requireEntry, (header, 0, entries[0], "")),
            abi.encodeWithSelector(IBatchMarket.ProgramOutOfRange.selector, 1, 1)
        );
    }

    function _withProgram(
        BatchEntry[] memory entries,
        uint16 program
    ) private pure returns (BatchEntry[] memory) {
        entries[0].program = program;
        return entries;
    }

    function test_deadlines_equalityIsAssigned() public {
        BatchEntry[] memory entries = _entries(2);
        BatchHeader memory header = _postBatch(entries);
        bytes32 batchId = batches.batchIdOf(header);
        uint256 end = time + CHALLENGE_WINDOW;
        _pass(CHALLENGE_WINDOW - 1);
        _refused(
            anyone,
            abi.encodeCall(IBatchMarket.finaliseBatches, (_one(batchId))),
            abi.encodeWithSelector(IBatchMarket.BatchNotFinalisable.selector, batchId, time, end)
        );
        bytes32 claimId = _open(header, entries, 0);
        // As open to challenge as if it had been posted alone, with its batch.
        _equal(batches.claimOf(claimId).challengeEnd, end, "challengeEnd");
        _pass(1);
        _refused(
            anyone,
            _openCall(header, 1, entries[1], _path(entries, 1)),
            abi.encodeWithSelector(IBatchMarket.OpeningWindowOver.selector, batchId, time, end)
        );
        _reverts(
            address(batchReferee),
            challenger,
            abi.encodeCall(IReferee.challenge, (claimId)),
            abi.encodeWithSelector(IClaimBook.WrongPhase.selector, claimId, Phase.Finalisable)
        );
        _finaliseBatch(header);
        _refused(
            anyone,
            abi.encodeCall(IBatchMarket.finaliseBatches, (_one(batchId))),
            abi.encodeWithSelector(IBatchMarket.AlreadyFinalised.selector, batchId)
        );
    }

    /// @notice Neither market's referee can touch the other's claims.
    function test_referees_areApart() public {
        BatchEntry[] memory entries = _entries(1);
        bytes32 claimId = _open(_postBatch(entries), entries, 0);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.challenge, (claimId)),
            abi.encodeWithSelector(IClaimBook.UnknownClaim.selector, claimId)
        );
        _refused(
            address(referee),
            abi.encodeCall(IClaimBook.recordChallenge, (claimId, challenger)),
            abi.encodeWithSelector(IClaimBook.NotReferee.selector, address(referee))
        );
    }

    function test_multicall_postsAndFinalisesAsTheCaller() public {
        BatchEntry[] memory entries = _entries(4);
        BatchHeader memory first = _postBatch(entries);
        _pass(CHALLENGE_WINDOW);
        entries = _entries(5);
        BatchHeader memory second = _header(entries);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IBatchMarket.finaliseBatches, (_one(batches.batchIdOf(first))));
        calls[1] = _postCall(second, entries, "");
        vm.prank(executor);
        batches.multicall(calls);
        _equal(stakes.accountOf(executor).locked, 5 * COLLATERAL, "locked");
    }

    // --- the tree ---

    function testFuzz_dataRoot_isTheDefinition(uint8 count, bytes32 seed) public {
        count = uint8(1 + (count % 21));
        BatchEntry[] memory entries = new BatchEntry[](count);
        for (uint256 i; i < count; ++i) {
            bytes32 word = keccak256(abi.encode(seed, i));
            entries[i] = BatchEntry(word, seed, ~word, address(bytes20(word)), uint48(i), uint16(i));
        }
        require(batches.dataRootOf(_data(entries), count) == _root(entries), "root");
        // Every entry can be opened at its own place, and nowhere else.
        for (uint256 i; i < count; ++i) entries[i].program = 0;
        vm.prank(executor);
        token.mint(executor, uint256(count) * COLLATERAL);
        vm.prank(executor);
        stakes.deposit(uint256(count) * COLLATERAL);
        BatchHeader memory header = _postBatch(entries);
        uint256 index = uint256(seed) % count;
        bytes memory path = _path(entries, index);
        for (uint256 i; i < count; ++i) {
            if (i == index) continue;
            (bool ok, ) = address(batches).call(_openCall(header, i, entries[index], path));
            require(!ok, "opened at another place");
        }
        _open(header, entries, index);
    }

    // --- steps ---

    function _openAndReveal(
        BatchHeader memory header,
        BatchEntry[] memory entries,
        uint256 index
    ) private returns (bytes32 claimId) {
        claimId = _open(header, entries, index);
        vm.prank(challenger);
        batchReferee.challenge(claimId);
        bytes32 trace = _honestTrace();
        vm.prank(executor);
        batchReferee.revealTrace(claimId, trace, "");
    }

    function _prove(bytes32 claimId, Verdict verdict) private {
        bytes32 commitment = batchReferee.commitmentOf(
            claimId,
            prover,
            SALT,
            keccak256(abi.encode(_elementProof()))
        );
        vm.prank(prover);
        batchReferee.commitProof(claimId, commitment);
        _pass(1);
        verifier.setVerdict(verdict);
        vm.prank(prover);
        batchReferee.proveElement(claimId, SALT, _elementProof());
    }
}
