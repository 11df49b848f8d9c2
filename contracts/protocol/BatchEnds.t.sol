// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BatchFixture} from "../../test/solidity/protocol/BatchFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {IClaimBook} from "./IClaimBook.sol";

/// @notice How batches end when several do in one call, and what there is of a claim that nobody opened.
contract BatchEndsTest is BatchFixture {
    address private second = address(0x1006);

    function _postAs(address poster) private returns (bytes32) {
        BatchEntry[] memory entries = _entries(2);
        BatchHeader memory header = _header(entries);
        header.executor = poster;
        vm.prank(poster);
        return batches.postBatchInCalldata(header, _data(entries), "");
    }

    /// @notice In one call, in any order, each executor gets its own collateral back and nobody another's (I3).
    function test_finalise_batchesOfSeveralExecutors_unlocksEachOnesOwn() public {
        _fund(second);
        vm.prank(second);
        stakes.deposit(6 * COLLATERAL);
        bytes32[] memory ids = new bytes32[](4);
        (ids[0], ids[1], ids[2], ids[3]) = (
            _postAs(second),
            _postAs(executor),
            _postAs(second),
            _postAs(second)
        );
        _pass(CHALLENGE_WINDOW);
        vm.prank(anyone);
        batches.finaliseBatches(ids);
        _equal(stakes.accountOf(second).free, 6 * COLLATERAL, "second's free");
        _equal(stakes.accountOf(second).locked, 0, "second's locked");
        _equal(stakes.accountOf(executor).free, 5 * COLLATERAL, "executor's free");
        _equal(stakes.accountOf(executor).locked, 0, "executor's locked");
    }

    function test_terms_unknown_revert() public {
        _reverts(
            address(batches),
            anyone,
            abi.encodeCall(IClaimBook.termsById, (2)),
            abi.encodeWithSelector(IClaimBook.UnknownTerms.selector, uint16(2))
        );
    }

    function test_subject_unopened_reverts() public {
        BatchEntry[] memory entries = _entries(1);
        bytes32 claimId = _claimIdOf(_postBatch(entries), entries[0]);
        _reverts(
            address(batches),
            anyone,
            abi.encodeCall(IClaimBook.subjectOf, (claimId)),
            abi.encodeWithSelector(IClaimBook.UnknownClaim.selector, claimId)
        );
    }
}
