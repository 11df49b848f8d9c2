// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Data, Page} from "../proof/DataPage.sol";

/// @notice How a demand stands.
enum DemandStatus {
    None, // never demanded
    Open, // waits for an answer
    Answered, // the page is in the log of DataAnswered
    Returned // its claim was slashed before anybody answered; the bond went back
}

/// @notice A demand as the referee stores it. Times in seconds of block time, amounts in token units.
struct Demand {
    address demander;
    DemandStatus status;
    uint32 tensors; // under the root that the page leads to
    uint64 size; // bytes of the tree that the page is cut from
    uint64 answerBy;
    uint128 burned; // of the bond, when answered
}

/// @title Demands of data
/// @notice What a claim commits to by a root, anybody may demand page by page, and anybody who has it may show it. A page
///         that nobody shows in time slashes the claim: data withheld is as bad as data that is wrong. The claim's executor
///         has had all of it: it ran the program on this input, computed these outputs and made this trace.
///
///         Nobody is asked for what does not exist: pages are cut from trees whose sizes the program says, and for every
///         page of every honest tree there is exactly one answer.
///
///         Nobody can be asked for too much: a page can be demanded once per claim; the bond pays the answer; and what is
///         burned of it doubles with each 64th of the answer window that the executor is behind, counting one page per
///         demandInterval over all its claims. There is no limit, and so no place in it to occupy: whoever wants to shut
///         others out by demands, the executor itself above all, burns more than they have to pay.
///
///         Nobody waits for ever: data may be demanded until a fixed moment in each phase (ClaimLife.demandEndOf), and is
///         to be shown within the answer window. Equality is assigned: demands need now < demandEnd, answers now <
///         answerBy, settleWithheld now ≥ answerBy.
interface IDataDemands {
    /// @notice Somebody asks for a page; it must be shown before `answerBy`.
    /// @param size bytes of the tree that it is cut from
    /// @param reward to whoever shows it
    /// @param burned the rest of the bond, when it is shown
    event DataDemanded(
        bytes32 indexed claimId,
        bytes32 indexed demandId,
        address indexed demander,
        Page page,
        uint64 size,
        uint256 reward,
        uint256 burned,
        uint64 answerBy
    );
    /// @notice A page was shown. It is in the log, not only in calldata: calldata costs more than the log (EIP-7623), and a
    ///         contract that answers could hide it from whoever reads transactions.
    event DataAnswered(
        bytes32 indexed claimId,
        bytes32 indexed demandId,
        address indexed answerer,
        bytes nodes,
        bytes32[] path
    );
    /// @notice Nobody showed a page in time: the claim is slashed for it, and the demander has its bond back.
    event DataWithheld(bytes32 indexed claimId, bytes32 indexed demandId, address indexed demander);
    /// @notice The claim was slashed before a page was shown: the demander has its bond back.
    event DemandReturned(bytes32 indexed claimId, bytes32 indexed demandId, address indexed demander);

    /// @notice The page was demanded before: `DataAnswered` has it, or its demander waits for it.
    error AlreadyDemanded(bytes32 demandId);
    /// @notice There is no such demand, or it is answered or returned.
    error DemandNotOpen(bytes32 demandId, DemandStatus status);
    error AnswerTooLate(bytes32 demandId, uint256 time, uint256 answerBy);
    error AnswerNotOverdue(bytes32 demandId, uint256 time, uint256 answerBy);
    /// @notice The price has risen above what the demander would pay.
    error BondAboveMax(uint256 bond, uint256 maxBond);
    /// @notice No token has that much.
    error BondTooLarge(uint256 bond);
    /// @notice The claim has no tensor `tensor` of this kind.
    error UnknownTensor(Data data, uint32 tensor, uint32 count);
    /// @notice Only a trace value needs its instruction; only that says how long it is.
    error UnexpectedInstruction();
    /// @notice The instruction writes a type that does not exist.
    error UnknownElementType(uint8 dtype);
    /// @notice The page does not lead to what the claim commits to.
    error WrongData(bytes32 expected, bytes32 actual);

    /// @notice Demands a page; pulls the bond from the caller (who has approved the StakeManager).
    ///         The trace: while the claim is Provable. Input and outputs: also before.
    /// @param instruction the canonical bytes of the instruction that writes a trace value; else empty
    /// @param instructionPath from its SHA-256 to the program's instructions root
    /// @param maxBond most that the caller pays: others' demands may have made it dearer
    function demandData(
        bytes32 claimId,
        Page calldata page,
        bytes calldata instruction,
        bytes32[] calldata instructionPath,
        uint256 maxBond
    ) external returns (bytes32 demandId);

    /// @notice Shows a page that is demanded; the reward is the caller's.
    /// @param nodes the page's nodes without those that are all padding
    /// @param path siblings from the page's root to the claim's root
    function answerData(
        bytes32 claimId,
        Page calldata page,
        bytes calldata nodes,
        bytes32[] calldata path
    ) external;

    /// @notice Slashes the claim of a demand that is overdue; bounty and bond to its demander. Anybody may call.
    function settleWithheld(bytes32 claimId, Page calldata page) external;

    /// @notice Gives the bond of an open demand back once its claim is slashed; anybody may call.
    function reclaimDemand(bytes32 claimId, Page calldata page) external;

    /// @notice What demanding a page with `nodes` nodes costs now; the sum is the bond.
    function demandPrice(
        bytes32 claimId,
        uint256 nodes
    ) external view returns (uint256 reward, uint256 burned);

    /// @notice A demand; status None if there is none.
    function demandOf(bytes32 demandId) external view returns (Demand memory);

    /// @notice Until when an executor is busy with what was demanded of it, at one page per demandInterval.
    function busyUntil(address executor) external view returns (uint64);

    /// @notice The id of a page's demand.
    function demandIdOf(bytes32 claimId, Page calldata page) external pure returns (bytes32);
}
