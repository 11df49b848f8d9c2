// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Deploy} from "./Deploy.sol";
import {BatchData, BatchEntry, BatchHeader} from "../../../contracts/protocol/BatchData.sol";
import {BatchMarket} from "../../../contracts/protocol/BatchMarket.sol";
import {BatchRules} from "../../../contracts/protocol/IBatchMarket.sol";
import {Claim} from "../../../contracts/protocol/IClaimBook.sol";
import {ReceiptRules} from "../../../contracts/protocol/IReceiptFaults.sol";
import {Wiring} from "../../../contracts/protocol/IStakeManager.sol";
import {Order, Receipt, Voucher} from "../../../contracts/protocol/Orders.sol";
import {ReceiptFaults} from "../../../contracts/protocol/ReceiptFaults.sol";
import {Referee} from "../../../contracts/protocol/Referee.sol";
import {ProtocolFixture} from "./ProtocolFixture.sol";
import {vm} from "./Vm.sol";

/// @notice A deployed protocol with a BatchMarket beside the InferenceMarket, and batches in calldata.
abstract contract BatchFixture is ProtocolFixture {
    uint64 internal constant PRICE_UNIT = 10;
    uint128 internal constant PRICE = 80_000;
    uint32 internal constant CLAIM_DELAY = 30 minutes;
    uint32 internal constant FILING_WINDOW = 1 hours;
    uint32 internal constant INCLUSION_WINDOW = 2 hours;
    uint32 internal constant CLOSE_DELAY = 4 hours;
    uint256 internal constant REQUESTER_KEY = 0xA1;

    BatchMarket internal batches;
    Referee internal batchReferee;
    ReceiptFaults internal faults;
    uint64 private _nonce;

    function setUp() public virtual override {
        requester = vm.addr(REQUESTER_KEY);
        super.setUp();
    }

    function _wiring() internal virtual override returns (Wiring[] memory pairs) {
        batches = Deploy.batchMarket(address(registry), address(stakes), _terms(), _rules());
        batchReferee = Deploy.referee(address(batches), versions);
        faults = Deploy.receiptFaults(
            address(batches),
            ReceiptRules(CLAIM_DELAY, FILING_WINDOW, INCLUSION_WINDOW)
        );
        pairs = new Wiring[](3);
        pairs[2] = Wiring(address(faults), address(faults));
        pairs[0] = Wiring(address(market), address(referee));
        pairs[1] = Wiring(address(batches), address(batchReferee));
    }

    function _rules() internal pure returns (BatchRules memory) {
        return BatchRules(CLOSE_DELAY, PRICE_UNIT);
    }

    // --- what is signed ---

    function _order() internal returns (Order memory) {
        return Order(requester, executor, programRoot, _inputRoot(), PRICE, time + 1 hours, ++_nonce);
    }

    function _receipt(Order memory order) internal view returns (Receipt memory) {
        return Receipt(faults.orderHashOf(order), _outputRoot(), time + CLAIM_DELAY);
    }

    function _signReceipt(Receipt memory receipt) internal view returns (bytes memory) {
        return _sign(EXECUTOR_KEY, faults.receiptHashOf(receipt));
    }

    function _voucher(uint128 cumulative) internal view returns (Voucher memory, bytes memory) {
        Voucher memory voucher = Voucher(requester, executor, cumulative);
        return (voucher, _sign(REQUESTER_KEY, batches.voucherHashOf(voucher)));
    }

    // --- batches ---

    function _entryOf(Order memory order) internal view returns (BatchEntry memory) {
        uint48 price = uint48(order.price / PRICE_UNIT);
        return
            BatchEntry(order.inputRoot, _outputRoot(), faults.orderHashOf(order), order.requester, price, 0);
    }

    /// @dev Entries of as many fresh orders.
    function _entries(uint256 count) internal returns (BatchEntry[] memory entries) {
        entries = new BatchEntry[](count);
        for (uint256 i; i < count; ++i) entries[i] = _entryOf(_order());
    }

    function _pack(BatchEntry memory entry) internal pure returns (bytes memory) {
        return
            bytes.concat(
                entry.inputRoot,
                entry.outputRoot,
                entry.orderHash,
                bytes20(entry.requester),
                bytes6(entry.price),
                bytes2(entry.program)
            );
    }

    function _data(BatchEntry[] memory entries) internal pure returns (bytes memory data) {
        for (uint256 i; i < entries.length; ++i) data = bytes.concat(data, _pack(entries[i]));
    }

    function _header(BatchEntry[] memory entries) internal returns (BatchHeader memory header) {
        header.executor = executor;
        header.nonce = ++_nonce;
        header.count = uint16(entries.length);
        header.programRoots = new bytes32[](1);
        header.programRoots[0] = programRoot;
        header.dataRoot = _root(entries);
    }

    function _postBatch(BatchEntry[] memory entries) internal returns (BatchHeader memory header) {
        header = _header(entries);
        vm.prank(executor);
        batches.postBatchInCalldata(header, _data(entries), "");
    }

    function _open(
        BatchHeader memory header,
        BatchEntry[] memory entries,
        uint256 index
    ) internal returns (bytes32) {
        vm.prank(anyone);
        return batches.openClaim(header, index, entries[index], _path(entries, index));
    }

    function _finaliseBatch(BatchHeader memory header) internal {
        vm.prank(anyone);
        batches.finaliseBatches(_one(batches.batchIdOf(header)));
    }

    function _one(bytes32 id) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](1);
        ids[0] = id;
    }

    function _claimIdOf(BatchHeader memory header, BatchEntry memory entry) internal view returns (bytes32) {
        return
            batches.claimIdOf(
                Claim(
                    entry.orderHash,
                    header.programRoots[0],
                    entry.inputRoot,
                    entry.outputRoot,
                    0,
                    header.executor
                )
            );
    }

    // --- the calldata form's tree, by its definition ---

    function _level(
        BatchEntry[] memory entries,
        uint256 height
    ) private pure returns (bytes32[] memory nodes) {
        if (height == 0) {
            nodes = new bytes32[](entries.length);
            for (uint256 i; i < nodes.length; ++i) nodes[i] = keccak256(_pack(entries[i]));
            return nodes;
        }
        bytes32[] memory below = _level(entries, height - 1);
        nodes = new bytes32[]((below.length + 1) / 2);
        for (uint256 i; i < nodes.length; ++i)
            nodes[i] = keccak256(
                bytes.concat(below[2 * i], 2 * i + 1 < below.length ? below[2 * i + 1] : bytes32(0))
            );
    }

    function _root(BatchEntry[] memory entries) internal pure returns (bytes32) {
        for (uint256 height; ; ++height) {
            bytes32[] memory nodes = _level(entries, height);
            if (nodes.length == 1) return nodes[0];
        }
        revert("unreachable");
    }

    function _path(BatchEntry[] memory entries, uint256 index) internal pure returns (bytes memory path) {
        for (uint256 height; ; ++height) {
            bytes32[] memory nodes = _level(entries, height);
            if (nodes.length == 1) return path;
            uint256 sibling = index ^ 1;
            path = bytes.concat(path, sibling < nodes.length ? nodes[sibling] : bytes32(0));
            index /= 2;
        }
        revert("unreachable");
    }
}
