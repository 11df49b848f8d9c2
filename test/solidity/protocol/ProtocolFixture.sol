// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Deploy} from "./Deploy.sol";
import {Verdict} from "../../../contracts/kernels/IKernel.sol";
import {Port, ProgramHeader} from "../../../contracts/program/Program.sol";
import {ElementProof, Opening} from "../../../contracts/proof/IVerifier.sol";
import {Phase} from "../../../contracts/protocol/ClaimLife.sol";
import {Claim, RequestParams} from "../../../contracts/protocol/IInferenceMarket.sol";
import {OutputProof} from "../../../contracts/protocol/IReferee.sol";
import {Account, Wiring} from "../../../contracts/protocol/IStakeManager.sol";
import {InferenceMarket} from "../../../contracts/protocol/InferenceMarket.sol";
import {ModelRegistry} from "../../../contracts/protocol/ModelRegistry.sol";
import {Referee} from "../../../contracts/protocol/Referee.sol";
import {StakeManager} from "../../../contracts/protocol/StakeManager.sol";
import {Terms} from "../../../contracts/protocol/Terms.sol";
import {DevToken} from "../../../contracts/token/DevToken.sol";
import {DenyingWallet} from "./ContractWallet.sol";
import {VerifierDouble} from "./VerifierDouble.sol";
import {vm} from "./Vm.sol";

/// @notice A deployed protocol, a published program and a cast of actors, for tests of the protocol contracts.
/// @dev The program: input x (4 float32), three instructions, outputs y (2 float32, instruction 2) and z (9 float32,
///      instruction 0). Time is kept in `time`, because the optimiser takes block.timestamp for constant in a function.
abstract contract ProtocolFixture {
    uint128 internal constant COLLATERAL = 1_000_000;
    uint128 internal constant BOND = 50_000;
    uint128 internal constant VOID_CAP = 30_000;
    uint128 internal constant FEE = 100_000;
    uint128 internal constant ROYALTY = 7_000;
    uint256 internal constant BOUNTY = 400_000;
    uint256 internal constant COMPENSATION = 300_000;
    uint256 internal constant BURNED = 300_000;
    uint32 internal constant CHALLENGE_WINDOW = 1 hours;
    uint32 internal constant REVEAL_WINDOW = 2 hours;
    uint32 internal constant PROOF_WINDOW = 3 hours;
    uint128 internal constant DATA_PRICE = 10;
    uint32 internal constant ANSWER_WINDOW = 20 minutes;
    uint32 internal constant DEMAND_INTERVAL = 10;
    uint256 internal constant WITHDRAWAL_DELAY = 10 hours + 1;
    uint256 internal constant FUNDS = 10_000_000;
    uint256 internal constant EXECUTOR_KEY = 0xE0;
    bytes32 internal constant SALT = "salt";
    bytes internal constant INPUTS = hex"000102030405060708090a0b0c0d0e0f";
    bytes internal constant OUTPUT_Y = hex"1122334455667788";
    bytes internal constant OUTPUT_Z =
        hex"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324";

    DevToken internal token;
    ModelRegistry internal registry;
    StakeManager internal stakes;
    InferenceMarket internal market;
    Referee internal referee;
    VerifierDouble internal verifier;
    /// @dev The IKernelVersions: the double itself, unless a test has a real one.
    address internal versions;

    address internal executor = vm.addr(EXECUTOR_KEY);
    address internal requester = address(0x1001);
    address internal challenger = address(0x1002);
    address internal prover = address(0x1003);
    address internal modelOwner = address(0x1004);
    address internal anyone = address(0x1005);

    bytes32 internal modelId;
    bytes32 internal programRoot;
    uint64 internal time = 1_800_000_000;

    function setUp() public virtual {
        _deploy(_newToken());
    }

    function _newToken() internal virtual returns (DevToken) {
        return Deploy.devToken();
    }

    function _deploy(DevToken token_) internal {
        vm.warp(time);
        token = token_;
        verifier = new VerifierDouble();
        verifier.setAuthority(_authority());
        versions = _versions();
        registry = Deploy.modelRegistry(versions);
        stakes = Deploy.stakeManager(address(token), WITHDRAWAL_DELAY);
        market = Deploy.inferenceMarket(address(registry), address(stakes), _terms(), 1_000_000);
        referee = Deploy.referee(address(market), versions);
        stakes.wire(_wiring());

        programRoot = registry.publishProgram(abi.encode(_header()));
        vm.prank(modelOwner);
        modelId = registry.createModel(0, "model", "ipfs://model", ROYALTY);
        vm.prank(modelOwner);
        registry.addVersion(modelId, programRoot, bytes32(uint256(1)), "");

        _fund(executor);
        _fund(requester);
        _fund(challenger);
        _fund(prover);
        vm.prank(executor);
        stakes.deposit(5 * COLLATERAL);
    }

    /// @dev Who may append terms (an IAuthority); 0: nobody.
    function _authority() internal virtual returns (address) {
        return address(0);
    }

    function _versions() internal virtual returns (address) {
        return address(verifier);
    }

    /// @dev Which markets there are, each with its referee.
    function _wiring() internal virtual returns (Wiring[] memory) {
        return _pairs(address(market), address(referee));
    }

    function _terms() internal pure returns (Terms memory) {
        return
            Terms({
                collateral: COLLATERAL,
                challengeBond: BOND,
                voidCostCap: VOID_CAP,
                bountyBps: 4_000,
                compensationBps: 3_000,
                challengeWindow: CHALLENGE_WINDOW,
                revealWindow: REVEAL_WINDOW,
                proofWindow: PROOF_WINDOW,
                dataPrice: DATA_PRICE,
                answerWindow: ANSWER_WINDOW,
                demandInterval: DEMAND_INTERVAL
            });
    }

    function _pairs(address market_, address referee_) internal pure returns (Wiring[] memory pairs) {
        pairs = new Wiring[](1);
        pairs[0] = Wiring(market_, referee_);
    }

    function _fund(address account) internal {
        token.mint(account, FUNDS);
        vm.prank(account);
        token.approve(address(stakes), type(uint256).max);
    }

    // --- the program and its commitments ---

    function _header() internal pure virtual returns (ProgramHeader memory header) {
        header.version = 1;
        header.accuracyProfile = 1;
        header.instructionsRoot = "instructions";
        header.instructionCount = 3;
        header.inputs = new Port[](1);
        header.inputs[0] = _port("x", 4, 0);
        header.outputs = new Port[](2);
        header.outputs[0] = _port("y", 2, 2);
        header.outputs[1] = _port("z", 9, 0);
    }

    function _port(string memory name, uint64 length, uint32 index) internal pure returns (Port memory port) {
        port.name = name;
        port.dtype = 1;
        port.dims = new uint64[](1);
        port.dims[0] = length;
        port.factors = port.dims;
        port.order = new uint8[](1);
        port.index = index;
    }

    function _outputs() internal pure returns (bytes memory) {
        return bytes.concat(OUTPUT_Y, OUTPUT_Z);
    }

    function _inputRoot() internal pure returns (bytes32) {
        return bytes32(INPUTS);
    }

    function _rootY() internal pure returns (bytes32) {
        return bytes32(OUTPUT_Y);
    }

    function _rootZ() internal pure returns (bytes32) {
        return sha256(bytes.concat(OUTPUT_Z, new bytes(28)));
    }

    function _outputRoot() internal pure returns (bytes32) {
        return _pair(_rootY(), _rootZ());
    }

    function _pair(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(bytes.concat(left, right));
    }

    /// @dev Trace of three instructions; the value of instruction 1 is of no interest.
    function _traceRoot(bytes32 value0, bytes32 value2) internal pure returns (bytes32) {
        return _pair(_pair(value0, "value 1"), _pair(value2, 0));
    }

    function _honestTrace() internal pure returns (bytes32) {
        return _traceRoot(_rootZ(), _rootY());
    }

    function _outputProof(
        uint32 output,
        bytes32 value0,
        bytes32 value2
    ) internal pure returns (OutputProof memory proof) {
        proof.output = output;
        proof.claimedPath = new bytes32[](1);
        proof.tracedPath = new bytes32[](2);
        if (output == 0) {
            (proof.claimedRoot, proof.claimedPath[0]) = (_rootY(), _rootZ());
            (proof.tracedRoot, proof.tracedPath[0]) = (value2, 0);
            proof.tracedPath[1] = _pair(value0, "value 1");
        } else {
            (proof.claimedRoot, proof.claimedPath[0]) = (_rootZ(), _rootY());
            (proof.tracedRoot, proof.tracedPath[0]) = (value0, "value 1");
            proof.tracedPath[1] = _pair(value2, 0);
        }
    }

    function _elementProof() internal pure returns (ElementProof memory proof) {
        proof.index = 2;
        proof.element = 9;
        // offset, family, op, dtype (float32): as much of an instruction as the referee looks at
        proof.instruction = abi.encode(uint256(32), uint256(0), uint256(0), uint256(1));
        proof.output.runs = new uint128[](2);
        proof.output.runs[0] = uint128(0) | 1;
        proof.output.runs[1] = (uint128(1) << 64) | 1;
        proof.output.chunks = abi.encode(uint256(0), uint256(0xaabbccdd11223344) << 192);
        proof.openings = new Opening[](0);
    }

    // --- steps of a claim's life ---

    function _requestParams() internal view returns (RequestParams memory) {
        return
            RequestParams({
                modelId: modelId,
                programRoot: programRoot,
                inputRoot: _inputRoot(),
                inputs: INPUTS,
                inputsUri: "",
                fee: FEE,
                maxRoyalty: ROYALTY,
                executor: address(0),
                deadline: time + 1 days,
                outputsInline: true,
                callback: address(0),
                callbackGas: 0
            });
    }

    function _request() internal returns (bytes32 requestId) {
        vm.prank(requester);
        return market.request(_requestParams());
    }

    function _claim(bytes32 requestId, bytes32 traceRoot) internal view returns (Claim memory) {
        return Claim(requestId, programRoot, _inputRoot(), _outputRoot(), traceRoot, executor);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev An account with a key takes on code (EIP-7702) that denies whatever the key signed.
    function _denyItsWord(address account) internal {
        vm.etch(account, abi.encodePacked(hex"ef0100", new DenyingWallet()));
        require(
            DenyingWallet(account).isValidSignature(0, "") == 0 && account.code.length == 23,
            "delegated"
        );
    }

    function _post(Claim memory claim) internal returns (bytes32 claimId) {
        bytes memory signature = _sign(EXECUTOR_KEY, market.claimIdOf(claim));
        vm.prank(anyone);
        return market.postClaim(claim, signature, _outputs());
    }

    function _lazy() internal returns (bytes32) {
        return _post(_claim(_request(), 0));
    }

    function _eager(bytes32 traceRoot) internal returns (bytes32) {
        return _post(_claim(_request(), traceRoot));
    }

    function _challenge(bytes32 claimId, address who) internal {
        vm.prank(who);
        referee.challenge(claimId);
    }

    function _reveal(bytes32 claimId, bytes32 traceRoot) internal {
        vm.prank(executor);
        referee.revealTrace(claimId, traceRoot, "https://executor.example/trace");
    }

    function _commit(bytes32 claimId, address who, bytes memory encodedProof) internal {
        bytes32 commitment = referee.commitmentOf(claimId, who, SALT, keccak256(encodedProof));
        vm.prank(who);
        referee.commitProof(claimId, commitment);
    }

    /// @dev Commits, waits a second, proves.
    function _proveElement(bytes32 claimId, address who, Verdict verdict) internal {
        _commit(claimId, who, abi.encode(_elementProof()));
        _pass(1);
        verifier.setVerdict(verdict);
        vm.prank(who);
        referee.proveElement(claimId, SALT, _elementProof());
    }

    function _pass(uint64 elapsed) internal {
        time += elapsed;
        vm.warp(time);
    }

    // --- checks ---

    /// @dev The call reverts with exactly this error, and no money has moved.
    function _reverts(address target, address caller, bytes memory data, bytes memory expected) internal {
        bytes32 before = _ledger();
        vm.prank(caller);
        (bool ok, bytes memory result) = target.call(data);
        require(!ok, "expected a revert");
        require(keccak256(result) == keccak256(expected), string(bytes.concat("wrong error: ", result)));
        require(_ledger() == before, "money moved in a reverted call");
    }

    /// @dev What the ledger holds besides the cast's accounts: bonds, escrow and what is prepaid.
    function _held() internal view returns (uint256 amount) {
        amount = stakes.accounted();
        address[7] memory cast = [
            executor,
            requester,
            challenger,
            prover,
            modelOwner,
            anyone,
            stakes.BURN_ADDRESS()
        ];
        for (uint256 i; i < cast.length; ++i) {
            Account memory account = stakes.accountOf(cast[i]);
            amount -= uint256(account.free) + account.locked + account.withdrawing + account.payout;
        }
    }

    /// @dev Hash of the ledger's sum, and of everybody's tokens.
    function _ledger() private view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    stakes.accounted(),
                    stakes.accountOf(executor),
                    token.balanceOf(address(stakes)),
                    token.balanceOf(executor),
                    token.balanceOf(requester),
                    token.balanceOf(challenger)
                )
            );
    }

    /// @dev Exact balances: payout of the actors, and the executor's stake.
    function _checkMoney(
        uint256 executorFree,
        uint256 executorPayout,
        uint256 requesterPayout,
        uint256 challengerPayout,
        uint256 proverPayout,
        uint256 ownerPayout,
        uint256 burned
    ) internal view {
        Account memory account = stakes.accountOf(executor);
        _equal(account.free, executorFree, "executor's free stake");
        _equal(account.payout, executorPayout, "executor's payout");
        _equal(stakes.accountOf(requester).payout, requesterPayout, "requester's payout");
        _equal(stakes.accountOf(challenger).payout, challengerPayout, "challenger's payout");
        _equal(stakes.accountOf(prover).payout, proverPayout, "prover's payout");
        _equal(stakes.accountOf(modelOwner).payout, ownerPayout, "owner's payout");
        _equal(stakes.accountOf(stakes.BURN_ADDRESS()).payout, burned, "burn");
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1");
    }

    function _checkPhase(bytes32 claimId, Phase phase) internal view {
        _equal(uint256(market.phaseOf(claimId)), uint256(phase), "phase");
    }

    function _equal(uint256 actual, uint256 expected, string memory what) internal pure {
        require(
            actual == expected,
            string.concat(what, ": ", _text(actual), " instead of ", _text(expected))
        );
    }

    function _text(uint256 value) private pure returns (string memory text) {
        do {
            text = string(bytes.concat(bytes1(uint8(48 + (value % 10))), bytes(text)));
            value /= 10;
        } while (value != 0);
    }
}
