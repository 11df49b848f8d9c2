// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What a requester signs off-chain. Amounts in token units, times in seconds.
struct Order {
    address requester;
    address executor;
    bytes32 programRoot;
    bytes32 inputRoot;
    uint128 price;
    uint64 deadline; // the executor need not accept it from then on
    uint64 nonce; // tells otherwise equal orders apart; the requester's choice
}

/// @notice What the executor signs with its answer: a claim of this order with this output is posted before `claimBy`.
struct Receipt {
    bytes32 orderHash; // EIP-712 digest of the order, which names the executor
    bytes32 outputRoot;
    uint64 claimBy;
}

/// @notice What a requester signs to pay: all that it has ever owed this executor, in token units.
struct Voucher {
    address requester;
    address executor;
    uint128 cumulative;
}

/// @title EIP-712 struct hashes of what is signed off-chain
library Orders {
    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(address requester,address executor,bytes32 programRoot,bytes32 inputRoot,uint128 price,uint64 deadline,uint64 nonce)"
    );
    bytes32 private constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 orderHash,bytes32 outputRoot,uint64 claimBy)"
    );
    bytes32 private constant VOUCHER_TYPEHASH = keccak256(
        "Voucher(address requester,address executor,uint128 cumulative)"
    );

    function structHash(Order calldata order) internal pure returns (bytes32) {
        return keccak256(abi.encode(ORDER_TYPEHASH, order));
    }

    function structHash(Receipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
    }

    function structHash(Voucher calldata voucher) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, voucher));
    }
}
